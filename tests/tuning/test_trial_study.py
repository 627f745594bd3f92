"""The study: what is asked for, and what every kind of end leaves behind."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import search.tuning.study
from search.tuning.record import TrialRecord, ranked
from search.tuning.study import TrialStudy
from spaces.domains import Scalar
from spaces.space import Params
from spaces.unet_family import unet_family
from tests.spaces.sampling import facts
from tests.tuning.made_up import SPACE, Killed, report, study_in


@pytest.fixture
def study(tmp_path: Path) -> TrialStudy:
    return study_in(tmp_path)


def ask(study: TrialStudy, *, seed: int = 0, startup: int = 4, point: str | None = None) -> TrialRecord:
    config = SPACE.default if point == "default" else SPACE.points[point].config if point else None
    record = study.ask(SPACE, seed=seed, startup_trials=startup, point=(point, config) if point and config else None)
    if record.config_data is None:
        study.set_config(record.number, SPACE.decode(record.params))
    return study.record(record.number)


def finish(study: TrialStudy, *values: float, **asked) -> TrialRecord:
    """Ask for a trial and train it to its end."""
    number = ask(study, **asked).number
    for epoch, value in enumerate(values, start=1):
        study.report(number, report(epoch, value))
    study.tell_complete(number, "trained")
    return study.record(number)


def test_numbers_count_from_zero_and_a_point_has_its_name(study: TrialStudy) -> None:
    first, second = ask(study, point="default"), ask(study)
    assert [first.number, second.number] == [0, 1]
    assert (first.point, first.sampled_by) == ("default", "named point")
    assert (second.point, second.sampled_by) == (None, "near the default")
    assert first.params == SPACE.encode(SPACE.default)
    assert first.config.model_dump() == SPACE.decode(first.params).model_dump()
    assert first.state == second.state == "RUNNING"


def test_a_waiting_trial_comes_first_and_keeps_everything(study: TrialStudy) -> None:
    before = [ask(study), ask(study)]
    study.report(0, report(1, 0.25))
    assert study.release_all() == [0, 1] == study.waiting()
    again = ask(study, seed=99, point="default")
    assert (again.number, again.params, again.values, again.point) == (0, before[0].params, {1: 0.25}, None)
    assert ask(study, seed=99).params == before[1].params
    assert study.count() == 2


def test_a_trial_that_another_process_left_running_can_be_released(tmp_path: Path) -> None:
    left = ask(study_in(tmp_path))
    study = study_in(tmp_path)
    assert study.release_all() == [left.number]
    assert ask(study).params == left.params
    study.report(left.number, report(1, 0.5))
    study.tell_pruned(left.number, "pruned at rung 1")
    assert study_in(tmp_path).record(left.number).state == "PRUNED"


def history(folder: Path, *, reopening: bool) -> list[dict]:
    """Parameters of seven trials, the last two of them sampled by TPE."""
    folder.mkdir()
    study = study_in(folder)
    found = []
    for number in range(7):
        study = study_in(folder) if reopening else study
        found.append(finish(study, 0.1 * (number % 3), seed=3, startup=5).params)
    return found


def test_draws_depend_on_seed_and_number_alone(tmp_path: Path) -> None:
    """The same history asked by one long-lived process and by many short ones gives the same proposals."""
    one = history(tmp_path / "one", reopening=False)
    assert one == history(tmp_path / "many", reopening=True)
    assert len({str(params) for params in one}) == 7
    (tmp_path / "other").mkdir()
    assert ask(study_in(tmp_path / "other"), seed=4).params != one[0]


def test_draws_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.tuning.test_trial_study import history;"
        "print(history(Path(sys.argv[1]), reopening=False))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "there")],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == str(history(tmp_path / "here", reopening=False))


@pytest.mark.parametrize(("earlier", "sampled_by"), [(0, "near the default"), (8, "tpe"), (6, "near the best")])
def test_a_trial_killed_while_it_was_sampled_gets_the_same_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: int, sampled_by: str
) -> None:
    """Parameters are stored one by one; those drawn after a kill must not depend on where it fell."""

    def begin(name: str) -> Path:
        (tmp_path / name).mkdir()
        study = study_in(tmp_path / name)
        for index in range(earlier):
            finish(study, 0.1 * index)
        return tmp_path / name

    whole, torn = ask(study_in(begin("whole"))), begin("torn")
    for stored in (1, 2, 4):
        with monkeypatch.context() as patch:
            patch.setattr(search.tuning.study, "suggest", dying(stored))
            with pytest.raises(Killed):
                ask(study_in(torn))
        study = study_in(torn)
        assert study.release_all() == [whole.number]
        assert len(study.record(whole.number).params) == stored
    found = ask(study)
    assert (found.number, found.sampled_by) == (whole.number, whole.sampled_by) == (earlier, sampled_by)
    assert found.params == whole.params


def dying(lives: int) -> Callable[..., Scalar]:
    """What asks a trial for one parameter, killed after `lives` of them."""
    whole, asked = search.tuning.study.suggest, iter(range(lives))

    def until_killed(*arguments: Any) -> Scalar:
        if next(asked, None) is None:
            raise Killed
        return whole(*arguments)

    return until_killed


def test_tpe_takes_over_after_its_startup_and_named_points_do_not_count(study: TrialStudy) -> None:
    for point in ("default", "wide"):
        finish(study, 0.2, point=point)
    labels = [finish(study, 0.1 * n).sampled_by for n in range(16)]
    assert labels[:4] == ["near the best"] * 4
    assert set(labels[4:]) == {"tpe", "near the best"}


def test_a_neighbour_of_the_best_differs_from_it_in_few_parameters(tmp_path: Path) -> None:
    space = unet_family(facts())
    study, shares = study_in(tmp_path), []
    best: Params = {}
    for number in range(30):
        record = study.ask(space, seed=1, startup_trials=2, point=None)
        study.set_config(record.number, space.decode(record.params))
        if record.sampled_by == "near the best":
            shares.append(np.mean([record.params.get(name) == value for name, value in best.items()]))
        study.report(record.number, report(1, 1.0 if number == 0 else 0.5))
        study.tell_pruned(record.number, "pruned at rung 1")
        best = best or record.params
    assert len(shares) > 8
    assert 0.75 < np.mean(shares) < 0.97


def test_an_epoch_is_counted_once(study: TrialStudy) -> None:
    number = ask(study).number
    study.report(number, report(1, 0.3))
    study.report(number, report(1, 0.9))
    study.report(number, report(2, 0.2))
    record = study.record(number)
    assert record.values == {1: 0.3, 2: 0.2}
    assert [entry["miou"] for entry in record.curve] == [0.3, 0.2]
    assert (record.epochs, record.best_value, record.best_epoch, record.seconds) == (2, 0.3, 1, 4.0)


def test_an_epoch_half_written_by_a_killed_process_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_in(tmp_path)
    number = ask(study).number
    study.report(number, report(1, 0.3))

    def killed(self, value: float, step: int) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("optuna.Trial.report", killed)
        with pytest.raises(Killed):
            study.report(number, report(2, 0.4))
    study = study_in(tmp_path)
    study.release_all()
    assert ask(study).number == number
    study.report(number, report(2, 0.4))
    record = study.record(number)
    assert record.values == {1: 0.3, 2: 0.4}
    assert [entry["epoch"] for entry in record.curve] == [1, 2]
    assert record.seconds == 4.0


def test_the_ends_of_trials(tmp_path: Path, study: TrialStudy) -> None:
    complete = finish(study, 0.2, 0.6, 0.5).number
    pruned, refused, broken, crashed = (ask(study).number for _ in range(4))
    study.report(pruned, report(1, 0.4))
    study.report(pruned, report(2, 0.1))
    study.tell_pruned(pruned, "pruned at rung 2")
    study.tell_violation(refused, "over_limit", 1.0, "too wide")
    study.report(broken, report(1, 0.9))
    study.tell_violation(broken, "not_finite", 1.0, "the loss became nan")
    study.tell_failed(crashed, "a bug")
    records = study_in(tmp_path).records()
    assert [record.state for record in records] == ["COMPLETE", "PRUNED", "PRUNED", "PRUNED", "FAIL"]
    assert [record.feasible for record in records] == [True, True, False, False, True]
    assert [record.refused for record in records] == [False, False, True, False, False]
    assert [record.reason for record in records] == [
        "trained",
        "pruned at rung 2",
        "too wide",
        "the loss became nan",
        "a bug",
    ]
    assert records[pruned].values == {1: 0.4, 2: 0.1}
    optuna_trials = study._study.get_trials()
    assert [trial.value for trial in optuna_trials] == [0.6, 0.1, None, 0.9, None]
    assert [record.number for record in ranked(records)] == [complete, pruned]


@pytest.mark.parametrize("kind", ["not_finite", "out_of_memory"])
def test_a_trial_that_broke_in_its_first_epoch_was_tried(study: TrialStudy, kind: str) -> None:
    """It cost time, so it counts; only configurations over a limit are refused without a try."""
    number = ask(study).number
    study.tell_violation(number, kind, 1.0, "broke")
    assert not study.record(number).refused
    assert not study.record(number).feasible


def test_values_at_a_rung(study: TrialStudy) -> None:
    early = finish(study, 0.2, 0.6, 0.5).number  # stopped early: stands with its best value later too
    running, pruned = ask(study).number, ask(study).number
    study.report(pruned, report(1, 0.3))
    study.tell_pruned(pruned, "")
    for epoch, value in enumerate((0.1, 0.7, 0.4), start=1):
        study.report(running, report(epoch, value))
    assert sorted(study.values_at(1, but=99)) == [0.1, 0.2, 0.3]
    assert sorted(study.values_at(3, but=99)) == [0.6, 0.7]
    assert study.values_at(9, but=99) == [0.6]
    assert study.values_at(9, but=early) == []


def test_a_crash_is_counted_and_an_interruption_is_not(study: TrialStudy) -> None:
    number = ask(study).number
    study.release(number)
    assert study.record(ask(study).number).retries == 0
    study.release(number, crashed=True)
    assert study.record(ask(study).number).retries == 1


def test_identity_is_kept_in_the_storage(tmp_path: Path, study: TrialStudy) -> None:
    assert study.identity is None
    study.set_identity("abc")
    assert study_in(tmp_path).identity == "abc"
