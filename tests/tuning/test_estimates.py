"""What follows from measurements: epochs, limits, estimates."""

from dataclasses import replace

import pytest

from search.tuning.estimates import Asked, choose_epochs, conclude, expect_trials
from search.tuning.probe import Costs, Probe, Speed
from search.tuning.resources import Resources

NO_LIMITS = Asked(max_params=None, max_macs=None, trials=None, time_budget=None)
ALONE = Resources(concurrency=1, threads=1, gpus=0, gpus_per_trial=0.0)
COSTS = Costs(parameters={"default": 100, "small": 10, "wide": 400}, macs={"default": 1000, "small": 100, "wide": 2500})


def probe(seconds: float) -> Probe:
    return Probe(speed=Speed(precision="bfloat16", layout="channels_last", seconds_per_epoch=seconds), costs=COSTS)


@pytest.mark.parametrize(
    ("seconds", "budget", "epochs"),
    [
        (1.0, None, 27),
        (1.0, 224.0, 36),  # a fifth is 44.8 seconds
        (1.0, 225.0, 45),
        (1.0, 134.0, 27),  # a fifth gives less than 27, a third gives more
        (1.0, 62.9, 18),  # a third is 20.97 seconds
        (0.01, 3600.0, 81),
        (1000.0, 60.0, 9),
    ],
)
def test_epochs_are_what_a_share_of_the_budget_affords(seconds: float, budget: float | None, epochs: int) -> None:
    assert choose_epochs(seconds, budget) == epochs


@pytest.mark.parametrize(
    ("trials", "budget", "seconds", "concurrency", "expected"),
    [
        (None, None, 1.0, 1, None),
        (7, None, 1000.0, 1, 7),
        (None, 300.0, 10.0, 1, 75),
        (None, 300.0, 10.0, 4, 300),
        (7, 300.0, 10.0, 4, 7),
        (700, 300.0, 10.0, 4, 300),
        (None, 1.0, 1000.0, 1, 1),
    ],
)
def test_expected_trials(trials, budget, seconds: float, concurrency: int, expected: int | None) -> None:
    assert expect_trials(replace(NO_LIMITS, trials=trials, time_budget=budget), seconds, concurrency) == expected


@pytest.mark.parametrize(
    ("seconds", "limits", "measured", "points"),
    [
        (1.0, NO_LIMITS, None, ("default", "small", "wide")),
        (1.0, replace(NO_LIMITS, trials=5), None, ("default", "small", "wide")),
        (1.0, replace(NO_LIMITS, time_budget=225.0), 5000, ("default", "small", "wide")),  # 45 s for 9 epochs of 1 s
        (9.0, replace(NO_LIMITS, time_budget=45.0), 3000, ("default", "small", "wide")),  # three times are admitted
        (9.0, replace(NO_LIMITS, time_budget=45.0, max_macs=2499), None, ("default", "small")),
        (1.0, replace(NO_LIMITS, time_budget=45.0, max_macs=2500), None, ("default", "small", "wide")),
        (1.0, replace(NO_LIMITS, max_macs=999), None, ("small",)),
        (1.0, replace(NO_LIMITS, max_params=100), None, ("default", "small")),
        (1.0, replace(NO_LIMITS, max_params=9), None, ()),
    ],
)
def test_the_limit_that_follows_and_the_points_within(seconds: float, limits: Asked, measured, points) -> None:
    found = conclude(probe(seconds), limits, max_epochs=9, resources=ALONE)
    assert (found.max_macs, found.fitting_points) == (measured, points)
    assert (found.precision, found.seconds_per_epoch, found.concurrency) == ("bfloat16", seconds, 1)
    assert (found.default_macs, found.default_parameters) == (1000, 100)
