"""A search that is killed and started again equals one that was never killed.

The storage is one in memory that outlives the "process": what SQLite keeps of a killed one is tested elsewhere.
"""

from pathlib import Path

import pytest
from optuna.storages import InMemoryStorage

from search.tuning import engine as engine_module
from tests.tuning.made_up import (
    Killed,
    dying,
    engine_in,
    killed_around,
    report,
    search,
    search_to_its_end,
    study_in,
    study_on,
    told,
)

TRIALS = 9


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[tuple]:
    folder = tmp_path_factory.mktemp("whole")
    storage = InMemoryStorage()
    search(storage, folder, trials=TRIALS)
    records = study_on(storage).records()
    assert {record.state for record in records} == {"COMPLETE", "PRUNED"}
    assert {record.sampled_by for record in records} == {"named point", "near the best", "tpe"}
    return told(records)


@pytest.mark.parametrize("first", range(5))
def test_killed_between_any_two_steps(tmp_path: Path, whole: list[tuple], first: int) -> None:
    """Killed again and again: after a trial was asked for, trained an epoch, was reported, was told."""
    kill = dying(lambda call: call % 5 == first)
    storage = InMemoryStorage()
    assert search_to_its_end(storage, tmp_path, kill, trials=TRIALS) >= TRIALS
    assert told(study_on(storage).records()) == whole


@pytest.mark.parametrize(
    "method",
    ["ask", "set_config", "report", "values_at", "tell_pruned", "tell_complete"],
)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_killed_around_each_write(
    tmp_path: Path, whole: list[tuple], monkeypatch: pytest.MonkeyPatch, method: str, done: bool
) -> None:
    storage = InMemoryStorage()
    with monkeypatch.context() as patch:
        killed_around(patch, method, done=done)
        assert search_to_its_end(storage, tmp_path, trials=TRIALS) >= 1
    assert told(study_on(storage).records()) == whole


def test_killed_while_the_configuration_is_written(
    tmp_path: Path, whole: list[tuple], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker reads the file: the study must not know the configuration before it is there, whole."""

    def torn(folder: Path, number: int, config) -> None:
        path = folder / "trials" / f"{number:04d}"
        path.mkdir(parents=True, exist_ok=True)
        (path / "config.yaml").write_text(config.to_yaml()[:40])
        raise Killed

    storage = InMemoryStorage()
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(engine_module, "write_config", torn)
            with pytest.raises(Killed):
                search(storage, tmp_path, trials=TRIALS)
    search(storage, tmp_path, trials=TRIALS)
    assert told(study_on(storage).records()) == whole


def test_an_open_decision_is_made_before_the_trial_trains_again(tmp_path: Path) -> None:
    """Killed after the report of a rung, before the decision: the trial that should go, goes without an epoch more."""
    engine = engine_in(tmp_path, trials=3)
    for value in (0.9, 0.8):
        assignment = engine.next_trial()
        assert assignment is not None
        engine.receive(assignment.number, report(1, value))
    study = study_in(tmp_path)
    assert [record.state for record in study.records()] == ["RUNNING", "PRUNED"]
    third = engine.next_trial()
    assert third is not None
    engine._study.report(third.number, report(1, 0.1))  # and the process dies here

    again = engine_in(tmp_path, trials=3)
    first = again.next_trial()
    assert first is not None
    assert (first.number, first.known_epochs) == (0, 1)
    assert again.next_trial() is None
    assert study_in(tmp_path).record(2).state == "PRUNED"
    assert study_in(tmp_path).record(2).reason == "pruned at rung 1"


def test_a_trial_that_passed_a_rung_is_not_judged_again(tmp_path: Path) -> None:
    """Told to go on, then cut; better trials come to the rung; it goes on all the same."""
    engine = engine_in(tmp_path, trials=3)
    first, second = engine.next_trial(), engine.next_trial()
    assert first is not None
    assert second is not None
    assert engine.receive(first.number, report(1, 0.5))  # the first arrival
    engine.release_live()
    study_in(tmp_path).release_all()

    again = engine_in(tmp_path, trials=3)
    waiting, better = again.next_trial(), again.next_trial()
    assert waiting is not None
    assert better is not None
    assert again.receive(better.number, report(1, 0.9))
    again.release_live()

    once_more = engine_in(tmp_path, trials=3)
    continued = once_more.next_trial()
    assert continued is not None
    assert (continued.number, continued.known_epochs) == (first.number, 1)
    assert study_in(tmp_path).record(first.number).passed_rung == 1
