import fcntl
import re
from datetime import datetime
from pathlib import Path

import pytest

from search.errors import StudyError
from search.list import main
from search.tuning.folder import append_run, locked
from search.tuning.overview import overview
from search.tuning.reading import read_records, read_study
from search.tuning.storage import open_study, storage_url
from tests.commands.studies import STARTED, Commands, records_of


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_a_line_for_each_study(commands: Commands, results: Path):
    assert commands.run(main, "--results", results) == 0
    header, line = commands.out.splitlines()
    assert cells(header) == ["study", "space", "data", "best mIoU", "trial", "trials", "last run"]
    records = records_of(results / "mars")
    best = max(records, key=lambda record: record.best_value or 0)
    complete = sum(record.state == "COMPLETE" for record in records)
    date = datetime.fromisoformat(STARTED).astimezone()
    assert cells(line) == [
        "mars",
        "small",
        "fake",
        f"{best.best_value:.4f}",
        str(best.number),
        f"5 ({complete} complete, {5 - complete} pruned)",
        f"{date:%Y-%m-%d %H:%M}",
    ]


def test_no_study_says_how_to_start_one(commands: Commands, tmp_path: Path):
    assert commands.run(main, "--results", tmp_path / "none") == 0
    assert commands.out == (
        f"there are no studies under {tmp_path / 'none'}; start one with: uv run python -m search.run\n"
    )


def test_a_trial_that_became_nan_failed_like_one_that_crashed(faulty: Path):
    assert overview(faulty).counts == {"failed": 2}


def test_a_broken_study_does_not_hide_the_others(commands: Commands, tmp_path: Path, folder: Path):
    for name, spec in (("old", "version: 0\n"), ("zero", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spec.yaml").write_text(spec)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "spec.yaml").write_bytes((tmp_path / "mars" / "spec.yaml").read_bytes())
    (tmp_path / "damaged" / "study.db").write_text("not a database at all, however long it may be")
    assert commands.run(main, "--results", tmp_path) == 0
    lines = commands.out.splitlines()
    assert lines[1].startswith("mars ")
    assert [line.split(":")[0] for line in lines[2:]] == [
        f"{name} cannot be read" for name in ("damaged", "old", "zero")
    ]


def test_running_trials_run_only_while_a_search_holds_the_folder(folder: Path):
    open_study(storage_url(folder, None), "mars")._study.ask()
    assert overview(folder).counts["to be continued"] == 1
    with locked(folder):
        seen = overview(folder)
        assert seen.running
        assert seen.counts["running"] == 1
    assert not overview(folder).running
    with (folder / ".lock").open("w") as file:  # looking does not hold the lock
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_looking_creates_nothing(folder: Path):
    for path in folder.glob("study.db*"):
        path.unlink()
    before = sorted(folder.rglob("*"))
    assert read_records(folder) == []
    assert overview(folder).best is None
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("url", ["sqlite:///{place}/typo.db", "sqlite:///typo.db", "journal://{place}/typo.log"])
def test_a_storage_without_the_trials_is_no_empty_study(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
):
    (tmp_path / "place").mkdir()
    monkeypatch.chdir(tmp_path / "place")
    with pytest.raises(StudyError, match=r"typo\..* knows none of them; give the storage of its search"):
        read_study(folder, url.format(place=tmp_path / "place"))
    assert not list((tmp_path / "place").iterdir())


def test_a_study_whose_storage_is_gone_is_listed_as_such(folder: Path):
    append_run(folder, {"started": STARTED, "storage": "journal:///gone/mine.log"})
    seen = overview(folder)
    assert seen.counts.total() == 0
    assert seen.problem is not None
    assert "the storage journal:///gone/mine.log knows none of them" in seen.problem


def test_a_renamed_folder_is_still_its_study(folder: Path):
    moved = folder.rename(folder.parent / "venus")
    assert len(read_records(moved)) == 5


def test_a_storage_elsewhere_is_found_through_the_last_run(faulty: Path):
    assert not (faulty / "study.db").exists()
    assert len(read_records(faulty)) == 2
