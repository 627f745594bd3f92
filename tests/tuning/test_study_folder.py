"""The folder of a study: its name, its lock, what is found in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search.errors import StudyError
from search.tuning.folder import (
    append_run,
    create_folder,
    find_study,
    locked,
    read_runs,
    recorded_storage,
    study_folder,
    study_folders,
)
from tests.tuning.made_up import spec


@pytest.mark.parametrize("name", ["mars", "a", "unet_family-mars.v2", "2024-01-01", "a..b"])
def test_a_plain_name_is_a_folder_below_the_results(name: str) -> None:
    assert study_folder(Path("results"), name) == Path("results") / name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", "a\\b", "-x", ".hidden", "a b", "a\n", "a\0", "ä", "~x", "x:y"]
)
def test_a_name_that_could_leave_the_results_is_refused(name: str) -> None:
    with pytest.raises(StudyError, match=r"^a study's name is made of letters, digits, .* choose another --study name"):
        study_folder(Path("results"), name)


def make(results: Path, name: str) -> Path:
    folder = study_folder(results, name)
    create_folder(folder)
    spec().write(folder)
    return folder


def test_a_study_is_found_by_name_or_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "results", "mars")
    assert find_study("mars", tmp_path / "results") == folder
    assert find_study(str(folder), tmp_path) == folder
    monkeypatch.chdir(tmp_path)
    assert find_study("mars") == Path("results/mars")
    assert find_study("results/mars") == Path("results/mars")


def test_a_missing_study_lists_the_others(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=f"^there is no study 'mars'; there are no studies under {tmp_path}$"):
        find_study("mars", tmp_path)
    make(tmp_path, "venus")
    make(tmp_path, "moon")
    (tmp_path / "no-study").mkdir()
    with pytest.raises(StudyError, match=f"there is no study 'mars'; studies under {tmp_path}: moon, venus$"):
        find_study("mars", tmp_path)
    assert study_folders(tmp_path) == [tmp_path / "moon", tmp_path / "venus"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match=r"file/mars cannot be written: .*; choose another place with --results"):
        create_folder(tmp_path / "file" / "mars")
    with pytest.raises(StudyError, match="File name too long"):
        create_folder(tmp_path / ("x" * 300))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StudyError, match="cannot be written: Permission denied"):
        create_folder(tmp_path / "mars")


def test_a_full_disk_is_noticed_before_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StudyError, match="cannot be written: No space left on device"):
        create_folder(tmp_path / "mars")


def test_making_a_folder_again_changes_nothing(tmp_path: Path) -> None:
    folder = make(tmp_path, "mars")
    before = sorted(path.name for path in folder.iterdir())
    create_folder(folder)
    assert sorted(path.name for path in folder.iterdir()) == before == ["spec.yaml", "trials"]


def test_one_search_holds_a_folder(tmp_path: Path) -> None:
    message = r"^another search is running on .*; wait for it, or use another --study"
    with locked(tmp_path), pytest.raises(StudyError, match=message), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_killed_search_holds_no_folder(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from search.tuning.folder import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True)
    assert found.stdout == "held\n"
    with locked(tmp_path):
        pass


def test_runs_are_recorded_in_order(tmp_path: Path) -> None:
    assert read_runs(tmp_path) == []
    assert recorded_storage(tmp_path) is None
    append_run(tmp_path, {"storage": None, "trials": 3})
    append_run(tmp_path, {"storage": "journal:///j", "trials": None})
    assert [run["trials"] for run in read_runs(tmp_path)] == [3, None]
    assert recorded_storage(tmp_path) == "journal:///j"


def test_a_record_torn_by_a_kill_costs_only_itself(tmp_path: Path) -> None:
    append_run(tmp_path, {"trials": 1})
    with (tmp_path / "runs.jsonl").open("a") as file:
        file.write('{"trials": 2, "stor')
    assert [run["trials"] for run in read_runs(tmp_path)] == [1]
    append_run(tmp_path, {"trials": 3})
    assert [run["trials"] for run in read_runs(tmp_path)] == [1, 3]
