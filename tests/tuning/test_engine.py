"""What the engine decides beside pruning: retries, limits, the end of a run, what stays on disk."""

import time
from pathlib import Path
from typing import Any

import pytest

from search.errors import StudyError
from search.training.outcome import EndKind, TrialOutcome
from search.tuning.engine import Engine, startup_trials, warm_start_points
from search.tuning.events import TrialEnded, TrialEpoch, TrialStarted
from search.tuning.limits import UNFIT
from search.tuning.trial_folder import CHECKPOINT_NAME, WEIGHTS_NAME, read_config, trial_folder
from spaces.config import TrialConfig
from spaces.space import Params, SearchSpace
from tests.tuning.made_up import POINTS, SPACE, engine_in, measured, report, spec, study_in


def begin(engine: Engine) -> int:
    """Start a trial that leaves a checkpoint and weights, as every trial that trains does."""
    assignment = engine.next_trial()
    assert assignment is not None
    for name in (CHECKPOINT_NAME, WEIGHTS_NAME):
        (Path(assignment.folder) / name).write_text("x")
    return assignment.number


def end(engine: Engine, number: int, kind: EndKind, reason: str = "") -> None:
    assert not engine.receive(number, TrialOutcome(kind=kind, reason=reason))


def files(folder: Path, name: str) -> list[int]:
    return sorted(int(path.parent.name) for path in folder.glob(f"trials/*/{name}"))


def test_the_configuration_of_a_trial_is_the_studys(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=None, seed=7)
    number = begin(engine)
    config = study_in(tmp_path).record(number).config
    assert (config.seed, config.budget) == (7, spec().budget)
    assert config.model_copy(update={"seed": 0, "budget": SPACE.default.budget}) == SPACE.default


def test_a_crash_is_retried_once(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=1)
    number = begin(engine)
    engine.receive(number, report(1, 0.5))
    end(engine, number, "crashed", "a bug")
    assert engine.wants_more()
    again = engine.next_trial()
    assert again is not None
    assert (again.number, again.known_epochs) == (number, 1)
    end(engine, number, "crashed", "a bug")
    record = study_in(tmp_path).record(number)
    assert (record.state, record.reason, record.retries, record.values) == ("FAIL", "a bug", 1, {1: 0.5})
    assert not engine.wants_more()


def test_a_lost_worker_is_a_crash_and_one_of_an_ended_trial_is_nothing(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=2)
    number = begin(engine)
    engine.lost(number, "killed")
    assert study_in(tmp_path).record(number).state == "WAITING"
    begin(engine)
    end(engine, number, "over_limit", "too wide")
    engine.lost(number, "killed")
    assert study_in(tmp_path).record(number).state == "PRUNED"


def test_a_hopeless_search_ends_with_its_error(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=20)
    for _ in range(6):  # three trials, each tried twice
        end(engine, begin(engine), "crashed", "no GPU")
    with pytest.raises(StudyError, match=r"(?s)^the first 3 trials crashed and none trained an epoch.*no GPU"):
        engine.next_trial()
    assert study_in(tmp_path).count() == 3


def test_crashes_beside_trials_that_train_are_no_reason_to_stop(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=20)
    engine.receive(begin(engine), report(1, 0.1))
    for _ in range(8):
        end(engine, begin(engine), "crashed", "no GPU")
    assert engine.wants_more()


def test_refused_trials_are_not_counted_and_broken_ones_are(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=2)
    for kind in ("over_limit", "over_limit", "not_finite", "out_of_memory"):
        end(engine, begin(engine), kind, kind)
    assert engine.next_trial() is None
    assert [record.refused for record in study_in(tmp_path).records()] == [True, True, False, False]


def test_when_every_proposal_is_refused_the_limits_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.tuning.engine.MOST_REFUSED", 6)
    engine = engine_in(tmp_path, trials=2)
    for _ in range(6):
        end(engine, begin(engine), "over_limit", "too wide")
    with pytest.raises(StudyError, match=r"the first 6 proposals were all refused.*too wide; raise --max-params"):
        engine.next_trial()


def test_a_deadline_leaves_trials_waiting_and_none_running(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=None, deadline=time.monotonic() + 3600)
    first, second = begin(engine), begin(engine)
    assert engine.receive(first, report(1, 0.5))
    engine._limits = type(engine._limits)(trials=None, deadline=time.monotonic() - 1, keep=3)
    assert not engine.receive(first, report(2, 0.6))
    assert not engine.wants_more()
    assert engine.next_trial() is None
    engine.release_live()
    records = study_in(tmp_path).records()
    assert [(record.state, record.values) for record in records] == [("WAITING", {1: 0.5, 2: 0.6}), ("WAITING", {})]
    assert engine.live == 0
    assert files(tmp_path, CHECKPOINT_NAME) == [first, second]


def test_a_trial_at_its_last_epoch_may_end_after_the_deadline(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=None)
    number = begin(engine)
    for epoch in range(1, 9):
        assert engine.receive(number, report(epoch, 0.5))
    engine.stop()
    assert engine.receive(number, report(9, 0.5))
    end(engine, number, "trained")
    assert study_in(tmp_path).record(number).state == "COMPLETE"


def test_a_trial_at_a_rung_when_the_run_ends_is_decided(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=None)
    first, second = begin(engine), begin(engine)
    engine.receive(first, report(1, 0.5))
    engine.stop()
    assert not engine.receive(second, report(1, 0.4))
    assert study_in(tmp_path).record(second).state == "PRUNED"


def test_weights_of_the_best_stay_and_checkpoints_of_the_living(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=None, keep=2, grace_epochs=9)
    numbers = [begin(engine) for _ in range(5)]
    for number, value in zip(numbers, (0.3, 0.5, 0.1, 0.4, 0.0), strict=True):
        engine.receive(number, report(1, value))
    for number in numbers[:4]:
        end(engine, number, "early_stopped")
    assert files(tmp_path, WEIGHTS_NAME) == [1, 3, 4]
    assert files(tmp_path, CHECKPOINT_NAME) == [4]


def test_a_running_trial_takes_no_place_among_the_best(tmp_path: Path) -> None:
    """It may still become infeasible; were others deleted on its account, the best one would have no weights."""
    engine = engine_in(tmp_path, trials=None, keep=1, grace_epochs=9)
    good, promising = begin(engine), begin(engine)
    engine.receive(good, report(1, 0.5))
    engine.receive(promising, report(1, 0.9))
    end(engine, good, "early_stopped")
    end(engine, promising, "not_finite", "the loss became nan")
    assert files(tmp_path, WEIGHTS_NAME) == [good]


def test_events_tell_what_happened(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=None)
    queue = engine.events.listen()
    first, second = begin(engine), begin(engine)
    engine.receive(first, report(1, 0.5))
    engine.receive(second, report(1, 0.4))
    end(engine, first, "crashed", "a bug")
    engine.release_live()
    events = [queue.get() for _ in range(queue.qsize())]
    assert [type(event) for event in events] == [TrialStarted] * 2 + [TrialEpoch] * 2 + [TrialEnded] * 2
    assert [event.name for event in events if isinstance(event, TrialStarted)] == ["default", "wide"]
    ends = [(e.number, e.kind, e.reason, e.best) for e in events if isinstance(e, TrialEnded)]
    assert ends == [(second, "pruned", "rung 1", 0.4), (first, "retried", "a bug", None)]


def test_parts_of_a_space_that_do_not_go_together_are_refused_one_by_one(tmp_path: Path) -> None:
    """Heads must divide channels: a space may offer both and cannot know. The search goes on, and learns."""
    study, engine = study_in(tmp_path), engine_in(tmp_path, trials=3)
    real, calls = SearchSpace.decode, iter(range(100))

    def decode(self: SearchSpace, params: Params, **options: Any) -> TrialConfig:
        if next(calls) == 3:  # 0 and 2 encode the named points, 1 is the first trial
            raise ValueError("attention needs a number of heads that divides the channels")
        return real(self, params, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SearchSpace, "decode", decode)
        numbers = [begin(engine) for _ in range(2)]
    assert numbers == [0, 2]
    assert (study.record(1).refused, study.record(1).state) == (True, "PRUNED")
    assert "heads" in study.record(1).reason


@pytest.mark.parametrize(
    ("expected", "names"),
    [(None, POINTS), (40, POINTS), (12, POINTS[:3]), (8, POINTS[:2]), (3, POINTS[:1]), (1, POINTS[:1])],
)
def test_named_points_are_at_most_a_quarter(expected: int | None, names: tuple[str, ...]) -> None:
    found = warm_start_points(SPACE, spec(measured=measured(expected_trials=expected)))
    assert tuple(found) == names


def test_no_warm_start_and_limits_leave_points_out(tmp_path: Path) -> None:
    assert warm_start_points(SPACE, spec(warm_start=False)) == {}
    fitting = spec(measured=measured(fitting_points=("narrow",)))
    assert list(warm_start_points(SPACE, fitting)) == ["narrow"]
    begin(engine_in(tmp_path, trials=None, warm_start=False))
    assert study_in(tmp_path).record(0).sampled_by == "near the default"


@pytest.mark.parametrize(
    ("trials", "expected", "startup"), [(None, None, 10), (100, None, 10), (30, 5, 6), (None, 5, 4)]
)
def test_startup_trials(trials: int | None, expected: int | None, startup: int) -> None:
    assert startup_trials(trials, spec(measured=measured(expected_trials=expected))) == startup


def test_when_the_weights_fit_nothing_another_space_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.tuning.engine.MOST_REFUSED", 2)
    engine = engine_in(tmp_path, trials=2)
    for _ in range(2):
        end(engine, begin(engine), "over_limit", f"{UNFIT}: none of the file's 3 tensors")
    with pytest.raises(
        StudyError, match=r"the first 2 proposals .* 3 tensors; choose a --space of networks like the f"
    ):
        engine.next_trial()


def test_trials_start_from_the_studys_weights(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, trials=1, pretrained="imagenet")
    number = begin(engine)
    assert study_in(tmp_path).record(number).config.pretrained == "imagenet"
    assert read_config(trial_folder(tmp_path, number)).pretrained == "imagenet"
