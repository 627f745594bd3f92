"""Trainings to their ends: resumed where they were cut off, told how they failed."""

import time
from pathlib import Path
from queue import SimpleQueue

import pytest

from search.selection.trainings import Training, Trainings
from search.training.files import TrialFiles
from search.training.outcome import Training as Epochs
from search.training.outcome import TrialOutcome
from search.tuning.events import TrialEnded
from search.tuning.local import run_local
from search.tuning.runner import Worker
from spaces.config import BudgetConfig
from tests.contracts.fake_training import admit, data
from tests.selection.fake_trainings import CONFIG, EPOCHS, WORKER, prepared_fault, source_in, train


def test_all_are_trained_and_what_they_reached_is_in_their_folders(tmp_path: Path) -> None:
    source = source_in(tmp_path)
    run_local(source, WORKER)
    assert not source.wants_more()
    assert source.unfinished == 0
    results = source_in(tmp_path).results()
    assert [result.trained for result in results] == [True, True]
    assert [len(result.reports) for result in results] == [EPOCHS, EPOCHS]
    assert [result.miou for result in results] == [1 - 0.5**4 - 0.01, 1 - 0.5**4 - 0.02]
    assert all(result.weights.is_file() for result in results)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trial-7-seed-1", "trial-7-seed-2"]
    assert not list(tmp_path.rglob("checkpoint.pt"))


@pytest.mark.parametrize("cut", range(1, 2 * EPOCHS))
def test_cut_off_after_any_epoch_they_go_on_to_the_same_end(tmp_path: Path, cut: int) -> None:
    whole = tmp_path / "whole"
    run_local(source_in(whole), WORKER)
    source = source_in(tmp_path / "cut")
    seen = 0

    def stopping(*arguments) -> Epochs:
        nonlocal seen
        training = train(*arguments)
        while True:
            try:
                report = next(training)
            except StopIteration as end:
                return end.value
            seen += 1
            if seen == cut:
                source.stop()
            yield report

    run_local(source, Worker(data=data(), trainer=stopping, check=admit, threads=1))
    assert source.live == 0
    again = source_in(tmp_path / "cut")
    run_local(again, WORKER)
    assert [result.reports for result in again.results()] == [result.reports for result in source_in(whole).results()]
    assert all(result.trained for result in again.results())


def test_nothing_starts_after_the_deadline(tmp_path: Path) -> None:
    source = source_in(tmp_path, deadline=time.monotonic() - 1)
    assert not source.wants_more()
    assert source.next_trial() is None
    assert source.unfinished == 2


def test_at_the_deadline_a_running_epoch_is_the_last(tmp_path: Path) -> None:
    source = source_in(tmp_path, deadline=time.monotonic() + 60)
    assignment = source.next_trial()
    assert assignment is not None
    source._deadline = time.monotonic() - 1
    report = next(train(CONFIG, data(), files(Path(assignment.folder)), 0, 1))
    assert not source.receive(0, report)
    assert source.unfinished == 2
    assert [len(result.reports) for result in source_in(tmp_path).results()] == [1, 0]


def files(folder: Path) -> TrialFiles:
    return TrialFiles(checkpoint=folder / "checkpoint.pt", weights=folder / "best.safetensors", pictures=folder)


def test_a_crash_is_tried_once_more_from_the_checkpoint(tmp_path: Path) -> None:
    source = prepared_fault(tmp_path, "a bug")
    events = source.events.listen()
    run_local(source, WORKER)
    kinds = [event.kind for event in drained(events) if isinstance(event, TrialEnded)]
    assert kinds == ["retried", "trained", "trained"]
    assert [report.epoch for report in source.results()[0].reports] == [1, 2, 3, 4]


def drained(queue: SimpleQueue) -> list:
    events = []
    while not queue.empty():
        events.append(queue.get())
    return events


def test_a_worker_that_dies_twice_leaves_a_reason(tmp_path: Path) -> None:
    source = source_in(tmp_path, count=1)
    for _ in range(2):
        assert source.next_trial() is not None
        source.lost(0, "the worker process died")
    (result,) = source.results()
    assert result.outcome == TrialOutcome(kind="crashed", reason="the worker process died")
    assert not result.trained
    assert not source_in(tmp_path, count=1).wants_more()


def test_one_that_diverges_is_over_and_the_others_go_on(tmp_path: Path) -> None:
    run_local(prepared_fault(tmp_path, "nan always"), WORKER)
    first, second = source_in(tmp_path).results()
    assert (first.outcome.kind, first.trained, second.trained) == ("not_finite", False, True)
    assert source_in(tmp_path).unfinished == 0


def test_a_folder_of_another_configuration_is_begun_anew(tmp_path: Path) -> None:
    run_local(source_in(tmp_path), WORKER)
    other = CONFIG.model_copy(update={"seed": 1, "budget": BudgetConfig(max_epochs=2)})
    changed = Trainings([Training(system="trial-7", config=other)], tmp_path)
    assert changed.results()[0].outcome is None
    run_local(changed, WORKER)
    assert [report.epoch for report in changed.results()[0].reports] == [1, 2]


def test_it_may_end_sooner_on_the_same_curve_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    run_local(source_in(tmp_path, count=1, stop_after=3), WORKER)
    (result,) = source_in(tmp_path, count=1).results()
    assert result.trained
    assert [report.epoch for report in result.reports] == [1, 2, 3]
    assert (result.folder / "checkpoint.pt").read_text() == "3"


def test_a_kill_before_the_outcome_adds_no_epoch(tmp_path: Path) -> None:
    """The last report is written; what comes after it is the end, not one epoch more."""
    run_local(source_in(tmp_path, count=1, stop_after=3), WORKER)
    (tmp_path / "trial-7-seed-1/outcome.json").unlink()
    again = source_in(tmp_path, count=1, stop_after=3)
    run_local(again, WORKER)
    (result,) = again.results()
    assert result.trained
    assert [report.epoch for report in result.reports] == [1, 2, 3]
    assert (result.folder / "checkpoint.pt").read_text() == "3"


def test_what_crashed_is_tried_again_by_the_next_run_and_what_diverged_is_not(tmp_path: Path) -> None:
    run_local(prepared_fault(tmp_path, "nan always"), WORKER)
    folder = tmp_path / "trial-7-seed-2"
    (folder / "outcome.json").write_text(
        TrialOutcome(kind="crashed", reason="a\nlong\nKeyError: bug").model_dump_json()
    )
    assert source_in(tmp_path).unfinished == 0
    assert [result.failure for result in source_in(tmp_path).results()] == [
        "trial 7, seed 1: the loss became nan",
        "trial 7, seed 2: KeyError: bug",
    ]
    again = source_in(tmp_path, retry_failed=True)
    assert again.unfinished == 1
    run_local(again, WORKER)
    assert [result.trained for result in source_in(tmp_path).results()] == [False, True]


def test_while_it_is_tried_again_it_has_not_failed(tmp_path: Path) -> None:
    run_local(source_in(tmp_path, count=1), WORKER)
    outcome = tmp_path / "trial-7-seed-1/outcome.json"
    outcome.write_text(TrialOutcome(kind="out_of_memory", reason="no memory left").model_dump_json())
    again = source_in(tmp_path, count=1, retry_failed=True)
    assert again.next_trial() is not None
    again.release_live()
    assert source_in(tmp_path, count=1).unfinished == 1
