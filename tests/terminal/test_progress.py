"""What a display counts, from the engine's events and from the trials of earlier runs."""

from pathlib import Path

import pytest

from search.terminal.progress import Progress
from search.training.outcome import TrialOutcome
from search.tuning.events import Event, TrialEnded, TrialEpoch, TrialStarted
from tests.tuning.made_up import engine_in, report, study_in


def progress(trials: int | None = None) -> Progress:
    return Progress(rungs=(1, 3), max_epochs=9, trials=trials, deadline=None)


def start(number: int, name: str = "tpe") -> TrialStarted:
    return TrialStarted(number=number, name=name)


def epochs(number: int, *values: float, first: int = 1) -> list[Event]:
    return [TrialEpoch(number=number, report=report(epoch, value)) for epoch, value in enumerate(values, start=first)]


def end(number: int, kind: str, best: float | None = None, reason: str = "") -> TrialEnded:
    return TrialEnded(number=number, kind=kind, reason=reason, best=best)


def after(*events: Event | list[Event], trials: int | None = None) -> Progress:
    state = progress(trials)
    for event in events:
        for single in event if isinstance(event, list) else [event]:
            state.apply(single)
    return state


def test_a_search_from_its_first_trial_on() -> None:
    state = after(
        start(0, "default"),
        start(1),
        epochs(0, 0.2, 0.4, 0.3),
        epochs(1, 0.1),
        end(1, "pruned", 0.1),
        end(0, "trained", 0.4),
        start(2),
        end(2, "over_limit"),
        start(3),
        epochs(3, 0.15),
    )
    assert state.counts == {"complete": 1, "pruned": 1, "refused": 1}
    assert state.ended == 2
    assert state.arrivals == {1: 3, 3: 1}
    assert state.best == (0.4, 0)
    assert [(number, trial.epoch, trial.miou) for number, trial in state.running.items()] == [(3, 1, 0.15)]


def test_a_retried_trial_is_no_ended_one_and_counts_its_rungs_once() -> None:
    torn = [start(0), *epochs(0, 0.2, 0.3), end(0, "retried", None, "RuntimeError: lost")]
    state = after(torn)
    assert (state.ended, state.running) == (0, {})
    state = after(torn, start(0), epochs(0, 0.35, 0.2, first=3), end(0, "trained", 0.35))
    assert state.counts == {"complete": 1}
    assert state.arrivals == {1: 1, 3: 1}


def test_an_interrupted_trial_is_no_ended_one() -> None:
    state = after(start(0), epochs(0, 0.2), end(0, "interrupted", 0.2))
    assert (state.ended, state.running, state.best) == (0, {}, (0.2, 0))


@pytest.mark.parametrize("kind", ["not_finite", "out_of_memory", "crashed"])
def test_a_trial_that_broke_cannot_be_the_best(kind: str) -> None:
    """As `ranked` has it: the table at the end leaves such trials out."""
    state = after(start(0), start(1), epochs(0, 0.2), epochs(1, 0.5), end(1, kind, 0.5))
    assert state.best == (0.2, 0)
    assert after(start(1), epochs(1, 0.5), end(1, kind, 0.5)).best is None


def test_of_equal_trials_the_earlier_is_the_best() -> None:
    assert after(start(0), start(1), epochs(1, 0.4), epochs(0, 0.4)).best == (0.4, 0)


def test_ended_trials_are_counted_as_the_option_counts_them() -> None:
    """A refused trial is tried in addition; one that broke is not, not even in its first epoch."""
    state = after(start(0), end(0, "over_limit"), start(1), end(1, "not_finite"), trials=5)
    assert (state.counts, state.ended) == ({"refused": 1, "failed": 1}, 1)


def test_pace_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    state = Progress(rungs=(), max_epochs=9, trials=None, deadline=1300.0, started=1000.0)
    state.apply(start(0))
    now[0] = 1010.0
    state.apply(epochs(0, 0.1)[0])
    state.apply(epochs(0, 0.1, first=2)[0])
    assert state.pace == pytest.approx(0.2)
    assert state.seconds_left == 290
    now[0] = 1200.0
    assert state.pace == 0
    now[0] = 1301.0
    assert state.seconds_left == 0
    assert progress().seconds_left is None


def test_what_is_recalled_equals_what_was_seen(tmp_path: Path) -> None:
    """A display that joins a study later counts as one that was there from the start."""
    engine = engine_in(tmp_path, trials=None)
    events, seen = engine.events.listen(), progress()
    outcomes = (
        TrialOutcome(kind="trained"),
        TrialOutcome(kind="not_finite", reason="the loss became nan"),
        TrialOutcome(kind="over_limit", reason="too wide"),
        TrialOutcome(kind="early_stopped"),
    )
    for outcome, values in zip(outcomes, ((0.1, 0.2, 0.3), (0.9,), (), (0.95, 0.3, 0.3)), strict=True):
        assignment = engine.next_trial()
        assert assignment is not None
        for epoch, value in enumerate(values, start=1):
            engine.receive(assignment.number, report(epoch, value))
        engine.receive(assignment.number, outcome)
    while not events.empty():
        seen.apply(events.get())
    recalled = progress()
    recalled.recall(study_in(tmp_path).records())
    assert seen.counts == {"complete": 2, "refused": 1, "failed": 1}
    for name in ("counts", "ended", "best", "arrivals"):
        assert getattr(recalled, name) == getattr(seen, name), name
