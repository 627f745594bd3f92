"""What goes wrong in a trial or around it, under both executors: nothing is lost, and the study says what happened."""

from pathlib import Path

import pytest

from search.errors import StudyError
from search.tuning.fork_server import ForkServer
from search.tuning.ray.executor import run_ray
from search.tuning.storage import open_study, storage_url
from tests.contracts.searching import LATE_RUNGS, RESOURCES, Run, run_in_ray, search
from tests.selection.fake_trainings import EPOCHS, WORKER, prepared_fault, source_in


def test_faults_end_as_told(tmp_path: Path, run: Run) -> None:
    """NaN and memory are constraints, one crash is retried from the checkpoint, two are a failure."""
    for number, plan in enumerate(["nan 1 9", "memory 1 9", "error 2 1", "error 1 9", "kill 1 1"]):
        if run is run_in_ray or not plan.startswith("kill"):
            (tmp_path / f"fault-{number}").write_text(plan)
    records = search(tmp_path, run, trials=6)
    assert [(record.state, record.feasible) for record in records[:2]] == [("PRUNED", False)] * 2
    assert records[2].retries == 1
    assert records[2].state in ("COMPLETE", "PRUNED")
    assert list(records[2].values) == list(range(1, records[2].epochs + 1))
    assert records[3].state == "FAIL"
    assert "a bug in the model" in records[3].reason
    assert records[4].retries == (1 if run is run_in_ray else 0)
    assert records[4].state in ("COMPLETE", "PRUNED")


def test_a_trial_goes_on_when_its_actor_was_killed(tmp_path: Path, cluster: None) -> None:
    (tmp_path / "fault-0").write_text("kill-actors 2 1")
    records = search(tmp_path, run_in_ray, trials=1, spec=LATE_RUNGS)
    assert (records[0].retries, records[0].state) == (1, "COMPLETE")
    assert list(records[0].values) == list(range(1, 10))


def test_a_search_ends_and_loses_nothing_when_no_worker_can_be_forked(tmp_path: Path, cluster: None) -> None:
    """The worker dies with the server: it cannot be replaced, and no other trial is tried in vain."""
    (tmp_path / "fault-0").write_text("kill-server 2 1")
    with pytest.raises(StudyError, match=r"has died, (?s:.)* the same command continues them"):
        search(tmp_path, run_in_ray, trials=4, spec=LATE_RUNGS)
    records = open_study(storage_url(tmp_path, None), "test").records()
    assert (records[0].state, list(records[0].values), records[0].retries) == ("WAITING", [1], 0)
    assert "FAIL" not in {record.state for record in records}
    assert search(tmp_path, run_in_ray, trials=1, spec=LATE_RUNGS)[0].state == "COMPLETE"


def test_a_full_disk_ends_the_search_and_loses_nothing(tmp_path: Path, run: Run) -> None:
    """The disk is full before any rung, so that no other trial can have stopped the one that meets it."""
    (tmp_path / "fault-0").write_text("disk 2 9")
    with pytest.raises(StudyError, match=r"cannot be written: .*No space left on device(?s:.)*make room"):
        search(tmp_path, run, trials=4, spec=LATE_RUNGS)
    cut = open_study(storage_url(tmp_path, None), "test").record(0)
    assert (cut.state, list(cut.values), cut.retries) == ("WAITING", [1], 0)
    (tmp_path / "fault-0").unlink()
    records = search(tmp_path, run, trials=4, spec=LATE_RUNGS)
    assert {record.state for record in records} <= {"COMPLETE", "PRUNED"}
    assert list(records[0].values) == list(range(1, records[0].epochs + 1))


def test_a_training_for_an_answer_goes_on_when_its_worker_was_killed(tmp_path: Path, cluster: None) -> None:
    source = prepared_fault(tmp_path, "kill")
    with ForkServer(modules=()) as server:
        assert not run_ray(source, WORKER, RESOURCES, tmp_path / "log", server)
    results = source_in(tmp_path).results()
    assert [result.trained for result in results] == [True, True]
    assert [[report.epoch for report in result.reports] for result in results] == [list(range(1, EPOCHS + 1))] * 2
