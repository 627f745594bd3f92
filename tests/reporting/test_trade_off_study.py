"""The report of a study that searched for a trade-off says what was searched, and by what it was judged."""

from pathlib import Path

import pytest

from search.reporting.contents import write_report
from search.tuning.reading import read_study
from tests.commands.studies import make_study
from tests.reporting.pages import Page


def test_it_names_the_objectives_and_shows_the_latencies_of_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def timed(*_: object) -> None:
        raise AssertionError("the search has measured latencies")

    monkeypatch.setattr("search.reporting.networks.latency_of", timed)
    url = f"journal://{tmp_path / 'trials.log'}"
    folder = make_study(tmp_path, trials=4, storage=url, objectives=("miou", "latency", "parameters"))
    page = Page.of(write_report(folder).read_text())
    fronts = "fronts of mIoU, latency (ms) and parameters"
    assert "best trade-offs of mIoU, latency (ms) and parameters in segmenting the images of fake" in page.text
    assert f"After epochs 1, 3 (the rungs) only the best 1 in 3 goes on, by {fronts}; a full trial" in page.text
    assert f"a rung judges by {fronts}" in page.text
    assert "The latency that the search judged by" in page.text
    latencies = {record.costs["latency"] for record in read_study(folder).records if record.values}
    (chart,) = [figure for figure in page.figures if "milliseconds" in figure["layout"]["xaxis"]["title"]["text"]]
    shown = {value for trace in chart["data"] for value in trace["x"]}
    assert shown == latencies
