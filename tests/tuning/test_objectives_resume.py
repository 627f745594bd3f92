"""With several objectives too, a search that is killed and started again equals one that was never killed."""

from pathlib import Path

import pytest
from optuna.storages import InMemoryStorage

from search.tuning.front import front_of
from search.tuning.objectives import Objectives
from search.tuning.trial_folder import WEIGHTS_NAME
from tests.tuning.made_up import dying, killed_around, search, search_to_its_end, study_on, told

TRIALS = 12
OBJECTIVES: Objectives = ("miou", "macs", "latency")


def kept(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob(f"trials/*/{WEIGHTS_NAME}"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple], list[str]]:
    folder = tmp_path_factory.mktemp("whole")
    storage = InMemoryStorage()
    search(storage, folder, trials=TRIALS, objectives=OBJECTIVES)
    records = study_on(storage, OBJECTIVES).records()
    assert {record.state for record in records} == {"COMPLETE", "PRUNED"}
    assert {record.sampled_by for record in records} == {"named point", "near the best", "tpe"}
    assert len(front_of(records, OBJECTIVES)) > 1
    assert all(record.costs for record in records)
    return told(records), kept(folder)


@pytest.mark.parametrize("first", range(5))
def test_killed_between_any_two_steps(tmp_path: Path, whole: tuple[list[tuple], list[str]], first: int) -> None:
    storage = InMemoryStorage()
    kill = dying(lambda call: call % 5 == first)
    assert search_to_its_end(storage, tmp_path, kill, trials=TRIALS, objectives=OBJECTIVES) >= TRIALS
    assert (told(study_on(storage, OBJECTIVES).records()), kept(tmp_path)) == whole


@pytest.mark.parametrize("method", ["ask", "report", "points_at", "tell_pruned", "tell_complete"])
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_killed_around_each_write(
    tmp_path: Path,
    whole: tuple[list[tuple], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    done: bool,
) -> None:
    storage = InMemoryStorage()
    with monkeypatch.context() as patch:
        killed_around(patch, method, done=done)
        assert search_to_its_end(storage, tmp_path, trials=TRIALS, objectives=OBJECTIVES) >= 1
    assert (told(study_on(storage, OBJECTIVES).records()), kept(tmp_path)) == whole
