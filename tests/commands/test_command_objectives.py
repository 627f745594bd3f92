"""The commands on a study of several objectives."""

import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

import pytest

from search import compare, export
from search import list as list_studies
from search.tuning.best import read_best
from search.tuning.dashboard import Dashboard, open_dashboard
from search.tuning.front import front_of
from search.tuning.objectives import Objectives
from search.tuning.record import TrialRecord, best_of
from tests.commands.studies import Commands, make_study, records_of
from tests.commands.weights import with_weights

OBJECTIVES: Objectives = ("miou", "macs")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("results"), "several", trials=6, keep=1, objectives=OBJECTIVES)


@pytest.fixture(scope="module")
def front(several: Path) -> list[TrialRecord]:
    found = front_of(records_of(several), OBJECTIVES)
    assert len(found) > 1
    return found


def test_the_list_shows_the_best_miou(commands: Commands, several: Path, front: list[TrialRecord]) -> None:
    assert commands.run(list_studies.main, "--results", several.parent) == 0
    line = commands.out.splitlines()[1].split()
    assert line[:5] == ["several", "small", "fake", f"{front[0].best_value:.4f}", str(front[0].number)]
    assert best_of(records_of(several)) == front[0]


def test_it_compares_with_a_study_of_miou_alone(commands: Commands, several: Path, results: Path) -> None:
    assert commands.run(compare.main, several, results / "mars") == 0
    rows = [line.split() for line in commands.out.splitlines()]
    assert ["objectives", "miou,macs", "miou"] in rows
    assert next(row for row in rows if row[:2] == ["best", "mIoU"])[2] == f"{front_value(several):.4f}"


def front_value(folder: Path) -> float:
    best = best_of(records_of(folder))
    assert best is not None
    assert best.best_value is not None
    return best.best_value


def test_studies_of_miou_alone_are_compared_as_ever(commands: Commands, results: Path, tmp_path: Path) -> None:
    other = make_study(tmp_path, "other", trials=1)
    assert commands.run(compare.main, results / "mars", other) == 0
    assert "objectives" not in commands.out


def test_a_trial_of_the_front_is_exported(
    commands: Commands, several: Path, front: list[TrialRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cheapest is no best trial, and with --keep 1 it has its weights all the same."""
    cheapest = min(front, key=lambda record: record.costs["macs"])
    assert cheapest != front[0]
    monkeypatch.setattr("search.selection.package.write.write_programs", lambda *arguments: ())
    folder = with_weights(shutil.copytree(several, tmp_path / several.name))
    assert commands.run(export.main, folder, "--to", tmp_path / "to", "--trial", cheapest.number) == 0
    assert read_best(tmp_path / "to/best.yaml").trial == cheapest.number
    assert (tmp_path / "to/best.safetensors").is_file()


def test_the_dashboard_shows_the_objectives(several: Path) -> None:
    with open_dashboard(several, 0) as dashboard:
        page = urlsplit(dashboard.address).path
        detail = json.loads(get(dashboard, f"/api/studies/{page.rpartition('/')[2]}"))
        assert b"<title>Optuna Dashboard</title>" in get(dashboard, page)
    assert detail["directions"] == ["maximize", "minimize"]
    assert detail["objective_names"] == ["validation mIoU", "multiply-adds"]
    records = records_of(several)
    complete = {record.number: record for record in records if record.state == "COMPLETE"}
    shown = {trial["number"]: trial.get("values") for trial in detail["trials"]}
    assert list(shown) == [record.number for record in records]
    for number, record in complete.items():
        assert shown[number] == [record.best_value, record.costs["macs"]]
    assert {trial["number"] for trial in detail["best_trials"]} == {
        record.number for record in front_of(list(complete.values()), OBJECTIVES)
    }


def get(dashboard: Dashboard, path: str) -> bytes:
    """Ask the dashboard's application, without a connection."""
    environ = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    status = []
    application = dashboard.server.get_app()
    assert application is not None
    chunks = application(environ, lambda line, headers, error=None: status.append(line))
    content = b"".join(chunks)
    if (close := getattr(chunks, "close", None)) is not None:  # a file that it sends is its own to close
        close()
    assert status == ["200 OK"]
    return content
