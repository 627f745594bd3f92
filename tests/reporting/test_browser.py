"""The report in Debian's Chromium, headless, at the width of a desk and of a phone: every figure is pointed at.

    apt-get install -y chromium && uv run pytest -m browser

SCREENSHOTS names a folder that keeps what was seen: the whole page, each figure, and the printed page.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from search.reporting.contents import write_report
from tests.reporting.answers import answer, store
from tests.reporting.studies import ODD_NAMES, write_study

pytestmark = pytest.mark.browser

WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}

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


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study as a real one looks, with an answer and pictures, and class names that are markup."""
    folder = write_study(tmp_path_factory.mktemp("browser") / "mars", trials=60, class_names=ODD_NAMES, pictures=True)
    store(folder, answer(class_names=ODD_NAMES))
    return write_report(folder)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path is not None, "the browser tests need Debian's Chromium: apt-get install -y chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """A page that is open at a width, and all that went wrong or outside on it."""

    def __init__(self, browser: Browser, file: Path, name: str) -> None:
        width, height = WIDTHS[name]
        phone = name == "phone"
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            is_mobile=phone,
            has_touch=phone,
            device_scale_factor=2 if phone else 1,
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.goto(file.as_uri())
        self.page.wait_for_function("document.documentElement.dataset.drawn")

    @property
    def plots(self) -> list[Locator]:
        return self.page.locator(".plot").all()


@pytest.fixture(params=list(WIDTHS))
def opened(request: pytest.FixtureRequest, chromium: Browser, report: Path) -> Iterator[tuple[str, Opened]]:
    found = Opened(chromium, report, request.param)
    yield request.param, found
    found.context.close()


def test_every_figure_answers_and_nothing_is_fetched(
    opened: tuple[str, Opened], report: Path, screenshots: Path
) -> None:
    name, seen = opened
    assert len(seen.plots) > 25
    for number, plot in enumerate(seen.plots):
        plot.scroll_into_view_if_needed()
        answers = 0
        for x, y in plot.evaluate(POINTS):
            seen.page.mouse.move(x - 3, y)
            seen.page.mouse.move(x, y)
            seen.page.wait_for_timeout(120)
            answers += plot.locator(".hoverlayer .hovertext").count()
            if name == "phone":
                seen.page.touchscreen.tap(x, y)
            else:
                seen.page.mouse.click(x, y)
        assert answers, f"figure {number} says nothing where it is pointed at"
        entries = plot.locator(".legendtoggle")
        if entries.count():
            entries.first.dispatch_event("click")
        plot.locator("xpath=..").screenshot(path=screenshots / f"{name}-{number:02d}.png")
    seen.page.reload()
    seen.page.wait_for_function("document.documentElement.dataset.drawn")
    seen.page.screenshot(path=screenshots / f"{name}.png", full_page=True)
    assert seen.complaints == []
    assert {request for request in seen.requests if not request.startswith("data:")} == {report.as_uri()}


def test_nothing_reaches_beyond_the_page(opened: tuple[str, Opened]) -> None:
    _, seen = opened
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert seen.page.evaluate(BEYOND) == []
    cut = {number: plot.evaluate(CUT_OFF) for number, plot in enumerate(seen.plots)}
    assert not {number: texts for number, texts in cut.items() if texts}


def test_every_entry_of_the_contents_leads_to_its_section(opened: tuple[str, Opened]) -> None:
    _, seen = opened
    links = seen.page.locator("nav a").all()
    assert len(links) == 17
    for link in links:
        link.click()
        target = seen.page.evaluate("document.querySelector(location.hash).querySelector('h2').textContent")
        assert target == link.text_content()
    assert seen.complaints == []


def test_the_printed_page_holds_figures_that_fit(chromium: Browser, report: Path, screenshots: Path) -> None:
    seen = Opened(chromium, report, "desktop")
    seen.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    widths = {plot.evaluate("plot => plot._fullLayout.width") for plot in seen.plots}
    assert max(widths) <= 680
    assert all(part.get_attribute("open") is not None for part in seen.page.locator("details").all())
    seen.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    seen.page.pdf(path=screenshots / "printed.pdf", format="A4")
    assert (screenshots / "printed.pdf").read_bytes().startswith(b"%PDF")
    assert seen.complaints == []
    seen.context.close()
