"""The whole page of made-up studies: what is in it, that nothing is fetched, that no text becomes markup."""

import json
import re
from datetime import datetime
from pathlib import Path

import plotly.graph_objects as go
import pytest

from search.reporting.blocks import Bullets, Chart, Fact, Facts, Folded, Gallery, Picture, Section, Swatch, Table, Words
from search.reporting.contents import write_report
from search.reporting.locked_test import differences_title
from search.reporting.page import render
from search.selection.answer import Difference, Interval
from tests.reporting.answers import answer, store
from tests.reporting.pages import Page
from tests.reporting.studies import ODD_NAMES, write_study

EVIL = "<script>alert(1)</script><b>&amp;\"'"
OURS = re.compile(r"<br>")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of a study with an answer, whose classes, images, reasons and warnings hold markup."""
    folder = write_study(tmp_path_factory.mktemp("odd") / "<i>x & y", trials=30, class_names=ODD_NAMES, pictures=True)
    store(folder, answer(class_names=ODD_NAMES, chosen=EVIL, failed=("<default>, seed 3: no memory",)))
    return Page.of(write_report(folder).read_text())


def test_every_section_is_there_in_order(odd: Page) -> None:
    assert odd.sections == [
        *("summary", "answer", "advice", "best", "history", "rungs", "curves", "importance", "coordinates"),
        *("slices", "contours", "cost", "classes", "images", "audit", "failures", "time"),
    ]
    links = [attrs["href"] for tag, attrs in odd.tags if tag == "a"]
    assert links == [f"#{section}" for section in odd.sections]


def test_nothing_is_fetched(odd: Page) -> None:
    assert odd.addresses == []
    assert "url(" not in odd.styles
    assert "@import" not in odd.styles
    assert {tag for tag, _ in odd.tags} & {"iframe", "object", "embed", "link"} == {"link"}
    assert [attrs for tag, attrs in odd.tags if tag == "link"] == [{"rel": "icon", "href": "data:,"}]
    assert all(source.startswith("data:image/png;base64,") for source in sources(odd))
    assert len(sources(odd)) == 2 * 4 * 4


def sources(page: Page) -> list[str]:
    return [attrs["src"] or "" for tag, attrs in page.tags if tag == "img"]


def test_no_text_becomes_a_tag(odd: Page) -> None:
    """Only plotly and the page's own script run; every name is there as text."""
    assert len(odd.scripts) == 2
    assert not any("alert(1)" in script for script in odd.scripts)
    assert "b" not in {tag for tag, _ in odd.tags}
    assert "i" not in {tag for tag, _ in odd.tags}
    for name in ODD_NAMES:
        assert name in odd.text
    for text in ("<i>x & y", "<img src=x>", "<i>the rare class</i>", "RuntimeError: a <b>bug</b>", "<tile_0>", EVIL):
        assert text in odd.text


def test_no_text_becomes_markup_in_a_figure(odd: Page) -> None:
    """Plotly knows <b>, <i>, <a>, <span>: all that is left of angle brackets are our own line breaks."""
    texts = odd.figure_texts()
    assert any("&lt;script&gt;alert(1)&lt;/script&gt;" in text for text in texts)
    assert not [text for text in texts if "<" in OURS.sub("", text)]


def test_every_figure_says_what_it_shows_and_names_its_axes(odd: Page) -> None:
    assert len(odd.figures) > 25
    for figure in odd.figures:
        assert figure["layout"]["height"] >= 90
        for axis in ("xaxis", "yaxis"):
            settings = figure["layout"][axis]
            labelled = "ticktext" in settings or settings.get("visible") is False
            assert settings["title"].get("text") or labelled, figure["layout"]
    titles = [attrs["aria-label"] or "" for tag, attrs in odd.tags if tag == "div" and attrs.get("class") == "plot"]
    assert len(titles) == len(odd.figures)
    assert len(set(titles)) == len(titles)


def test_blocks_of_every_kind_are_escaped() -> None:
    blocks = (
        Words(text=EVIL),
        Bullets(items=(EVIL,)),
        Facts(facts=(Fact(name=EVIL, value=EVIL, words=EVIL),)),
        Table(title=EVIL, headers=(EVIL,), rows=((EVIL,),), words=EVIL),
        Chart(title=EVIL, figure=go.Figure(layout={"height": 100, "title": {"text": EVIL}}), words=EVIL),
        Gallery(
            title=EVIL, words=EVIL, legend=(Swatch(color="#000000", words=EVIL),),
            rows=((EVIL, (Picture(source="data:,", words=EVIL),)),),
        ),
        Folded(title=EVIL, text=EVIL),
    )  # fmt: skip
    markup = render(EVIL, [Section(key="all", title=EVIL, blocks=blocks)], written=datetime(2026, 3, 4))
    page = Page.of(markup)
    assert len(page.scripts) == 2
    assert page.text.count(EVIL) == 22
    assert page.figures[0]["layout"]["title"]["text"] == EVIL
    own = markup.replace(page.scripts[0], "").replace(page.scripts[1], "")
    assert "<script>alert" not in own
    assert json.dumps(EVIL) not in own


def test_sections_without_a_block_are_left_out() -> None:
    page = Page.of(render("x", [Section(key="none", title="x", blocks=())], written=datetime(2026, 3, 4)))
    assert page.sections == []


def test_plotlys_own_text_cannot_end_its_script() -> None:
    """It stands between script tags as it is."""
    from plotly.offline import get_plotlyjs

    assert "</script" not in get_plotlyjs().lower()


def test_the_answer_stands_in_figures_and_words(odd: Page) -> None:
    assert "0.6100 (0.5800 to 0.6400)" in odd.text
    assert "The locked test part was opened once, 2026-03-05 10:00." in odd.text
    assert "The answer is better than default, beyond chance" in odd.text
    assert "A training failed: <default>, seed 3: no memory." in odd.text
    assert "its best, trial 7, had 0.6200, and 0.6000 in 3 trainings from new seeds" in odd.text
    assert "+0.0200" in odd.text


def test_the_title_of_the_differences_has_the_bad_news_too() -> None:
    def against(name: str, low: float, high: float) -> Difference:
        return Difference(against=name, difference=Interval(value=(low + high) / 2, low=low, high=high))

    unclear = against("soup", -0.1, 0.2)
    better = [against(name, 0.01, 0.05) for name in ("default", "seed", "small")]
    worse = [against("ensemble", -0.05, -0.01)]
    assert differences_title([unclear]) == "No difference to a baseline is beyond chance"
    unknown = Difference(against="seed", difference=Interval(value=0.1))
    assert differences_title([unknown]) == differences_title([unclear])
    assert differences_title(better) == "The answer is better than default, seed and small, beyond chance"
    assert differences_title([*better[:1], unclear, *worse]) == (
        "The answer is better than default and worse than ensemble, beyond chance"
    )
    assert differences_title([*worse, unclear]) == "The answer is worse than ensemble, beyond chance"


def test_a_spoiled_answer_and_best_yaml_cost_only_their_sections(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "one", trials=1, pictures=True)
    store(folder, answer())
    (folder / "answer/answer.json").write_text('{"study": "mars"}')
    (folder / "best.yaml").write_text("study: mars\n")
    (folder / "report.json").unlink()
    page = Page.of(write_report(folder).read_text())
    assert "The only trial with a value" in page.text
    assert f"nothing of it can be shown: {folder}/answer/answer.json is not an answer of this version" in page.text
    assert "the study's answer cannot be read" in page.text
    assert f"Nothing could be predicted: {folder}/best.yaml is not a best.yaml of this version" in page.text


def test_the_file_is_whole(tmp_path: Path) -> None:
    target = write_report(write_study(tmp_path / "one", trials=1), to=tmp_path / "page.html")
    text = target.read_text()
    assert target == tmp_path / "page.html"
    assert text.startswith("<!DOCTYPE html>")
    assert text.rstrip().endswith("</html>")
