"""How a search went, as numbers: history, endings, rungs and curves of made-up trials."""

import pytest

from search.reporting.curves import joined
from search.reporting.endings import AtRung, at_rungs, stages
from search.reporting.history import best_by_time, points, records_set, time_unit
from tests.reporting.studies import record
from tests.tuning.made_up import spec

TRIALS = [
    record(0, {1: 0.2, 2: 0.4, 3: 0.3}),
    record(1, {1: 0.3}, state="PRUNED"),
    record(2, refused=True, feasible=False, state="PRUNED"),
    record(3, {1: 0.9}, state="FAIL"),
    record(4, {1: 0.5, 2: 0.6}, state="RUNNING"),
]


def test_points_are_the_trials_whose_value_counts() -> None:
    found = points(TRIALS, running=True)
    assert [(point.number, point.kind, point.value, point.epoch, point.epochs) for point in found] == [
        (0, "complete", 0.4, 2, 3),
        (1, "pruned", 0.3, 1, 1),
        (4, "running", 0.6, 2, 2),
    ]
    assert points(TRIALS, running=False)[-1].kind == "to be continued"


def test_the_best_value_so_far_by_trial() -> None:
    assert records_set(points(TRIALS, running=False)) == [(0, 0.4), (4, 0.6)]
    assert records_set([]) == []


def test_the_best_value_so_far_by_time_counts_what_failed_trials_took() -> None:
    """Trials start a minute apart and take two seconds an epoch: 3, 1, 1 and 2 epochs in this order."""
    assert best_by_time(TRIALS) == [(2, 0.2), (4, 0.4), (12, 0.5), (14, 0.6), (14, 0.6)]
    assert best_by_time([TRIALS[2]]) == []
    assert best_by_time([TRIALS[3]]) == []


@pytest.mark.parametrize(
    ("seconds", "unit"),
    [(0, (1.0, "seconds")), (179, (1.0, "seconds")), (180, (60.0, "minutes")), (10800, (3600.0, "hours"))],
)
def test_times_are_shown_in_a_unit_that_suits_them(seconds: float, unit: tuple[float, str]) -> None:
    assert time_unit(seconds) == unit


def test_stages_end_with_the_rung_that_stops_a_trial() -> None:
    """Rungs 1 and 3 of 9 epochs."""
    ended = [
        record(0, dict.fromkeys(range(1, 10), 0.1)),
        record(1, {1: 0.1}, state="PRUNED"),
        record(2, {1: 0.1, 2: 0.1, 3: 0.1}, state="PRUNED"),
        record(3, {1: 0.1, 2: 0.1}, state="FAIL"),
        TRIALS[2],
    ]
    found = [(stage.words, dict(stage.kinds)) for stage in stages(ended, spec(), running=False)]
    assert found == [
        ("none", {"refused": 1}),
        ("1", {"pruned": 1}),
        ("2 to 3", {"pruned": 1, "failed": 1}),
        ("4 to 9", {"complete": 1}),
    ]


def test_who_came_to_a_rung_and_who_went_on() -> None:
    """Rungs 1 and 3: the best value up to the rung, whatever came later."""
    trials = [
        record(0, {1: 0.2, 2: 0.5, 3: 0.4, 4: 0.9}),
        record(1, {1: 0.1}, state="PRUNED"),
        record(2, {1: 0.3}, state="RUNNING"),
        record(3, {1: 0.3}, state="WAITING", passed_rung=1),
        record(4, {1: 0.6, 2: 0.5}),
    ]
    assert at_rungs(trials, spec()) == [
        AtRung(number=0, rung=1, value=0.2, went_on=True),
        AtRung(number=1, rung=1, value=0.1, went_on=False),
        AtRung(number=2, rung=1, value=0.3, went_on=None),
        AtRung(number=3, rung=1, value=0.3, went_on=True),
        AtRung(number=4, rung=1, value=0.6, went_on=True),
        AtRung(number=0, rung=3, value=0.5, went_on=True),
    ]


def test_curves_joined_into_one_line_have_gaps_between_them() -> None:
    found = joined([record(3, {2: 0.2, 1: 0.1}), record(5, {1: 0.4})])
    assert found.epochs == (1, 2, None, 1)
    assert found.values == (0.1, 0.2, None, 0.4)
    assert found.trials == (3, 3, None, 5)
    assert joined([]).epochs == ()
