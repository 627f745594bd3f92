"""The report in a browser: every figure is pointed at, and what is printed."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator

from search.reporting.contents import write_report
from tests.browser.seen import Seen
from tests.reporting.answers import answer, store
from tests.reporting.studies import ODD_NAMES, write_study

pytestmark = pytest.mark.browser

POINTS = """
plot => {
  const box = plot.getBoundingClientRect(), { xaxis, yaxis, _size: size } = plot._fullLayout;
  const trace = plot.data.find(trace => trace.hoverinfo !== "skip" && trace.x && trace.x.length);
  const sizes = trace.orientation === "h" ? trace.x : trace.y;
  const at = trace.type === "bar" ? [sizes.indexOf(Math.max(...sizes))] : [0, Math.floor(trace.x.length / 2)].filter(
    index => trace.x[index] !== null && trace.y[index] !== null);
  return at.map(index => [
    box.left + size.l + xaxis.d2p(trace.x[index]) - (trace.orientation === "h" ? 2 : 0),
    box.top + size.t + yaxis.d2p(trace.y[index]) + (trace.type === "bar" && trace.orientation !== "h" ? 2 : 0),
  ]);
}
"""
"""Where the first and the middle point of a figure are on the screen, or the end of its longest bar."""

BEYOND = """
() => [...document.querySelectorAll("body *")]
  .filter(part => !part.closest(".wide, svg, pre") && part.getBoundingClientRect().right > innerWidth + 1)
  .map(part => `${part.tagName}.${part.className}`)
"""

CUT_OFF = """
plot => {
  const box = plot.getBoundingClientRect();
  return [...plot.querySelectorAll("svg text")].filter(text => {
    const own = text.getBoundingClientRect();
    return text.textContent && own.width && (own.left < box.left - 2 || own.right > box.right + 2 ||
      own.top < box.top - 2 || own.bottom > box.bottom + 2);
  }).map(text => text.textContent);
}
"""
"""Texts of a figure that reach beyond it."""


KINDS = "[...new Set([...document.querySelectorAll('.plot')].flatMap(plot => plot.data.map(each => each.type)))].sort()"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study as a real one looks, with an answer and pictures, and class names that are markup."""
    folder = write_study(tmp_path_factory.mktemp("browser") / "mars", trials=60, class_names=ODD_NAMES, pictures=True)
    store(folder, answer(class_names=ODD_NAMES))
    return write_report(folder)


@pytest.fixture
def opened(seen: Seen, report: Path) -> Seen:
    return opened_at(seen, report)


def opened_at(seen: Seen, report: Path) -> Seen:
    seen.page.goto(report.as_uri())
    seen.page.wait_for_function("document.documentElement.dataset.drawn")
    return seen


def plots_of(seen: Seen) -> list[Locator]:
    return seen.page.locator(".plot").all()


def test_every_figure_answers_and_nothing_is_fetched(opened: Seen, screenshots: Path) -> None:
    assert len(plots_of(opened)) > 25
    assert {"bar", "contour", "heatmap", "scatter"} <= set(opened.page.evaluate(KINDS))
    for number, plot in enumerate(plots_of(opened)):
        plot.scroll_into_view_if_needed()
        answers = 0
        for x, y in plot.evaluate(POINTS):
            opened.page.mouse.move(x - 3, y)
            opened.page.mouse.move(x, y)
            opened.page.wait_for_timeout(120)
            answers += plot.locator(".hoverlayer .hovertext").count()
            if opened.width == "phone":
                opened.page.touchscreen.tap(x, y)
            else:
                opened.page.mouse.click(x, y)
        assert answers, f"figure {number} says nothing where it is pointed at"
        entries = plot.locator(".legendtoggle")
        if entries.count():
            entries.first.dispatch_event("click")
        plot.locator("xpath=..").screenshot(path=screenshots / f"report-{opened.width}-{number:02d}.png")
    opened.page.reload()
    opened.page.wait_for_function("document.documentElement.dataset.drawn")
    opened.page.screenshot(path=screenshots / f"report-{opened.width}.png", full_page=True)
    assert opened.complaints == []
    assert opened.hosts == {""}


def test_nothing_reaches_beyond_the_page(opened: Seen) -> None:
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.page.evaluate(BEYOND) == []
    cut = {number: plot.evaluate(CUT_OFF) for number, plot in enumerate(plots_of(opened))}
    assert not {number: texts for number, texts in cut.items() if texts}


def test_every_entry_of_the_contents_leads_to_its_section(opened: Seen) -> None:
    links = opened.page.locator("nav a").all()
    assert len(links) == 17
    for link in links:
        link.click()
        target = opened.page.evaluate("document.querySelector(location.hash).querySelector('h2').textContent")
        assert target == link.text_content()
    assert opened.complaints == []


def test_the_printed_page_holds_figures_that_fit(chromium: Browser, report: Path, screenshots: Path) -> None:
    seen = opened_at(Seen(chromium, "desktop"), report)
    seen.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    widths = {plot.evaluate("plot => plot._fullLayout.width") for plot in plots_of(seen)}
    assert max(widths) <= 680
    assert all(part.get_attribute("open") is not None for part in seen.page.locator("details").all())
    seen.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    seen.page.pdf(path=screenshots / "report.pdf", format="A4")
    assert (screenshots / "report.pdf").read_bytes().startswith(b"%PDF")
    assert seen.complaints == []
    seen.context.close()
