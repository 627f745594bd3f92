"""What follows from measurements: epochs, limits, estimates."""

from dataclasses import replace

import pytest

from search.tuning.probe import (
    Asked,
    Costs,
    Probe,
    Speed,
    choose_epochs,
    conclude,
    entries,
    epoch_work,
    expect_trials,
    measure_costs,
    probed_part,
    visible_devices,
)
from search.tuning.resources import Resources
from tests.contracts.fake_training import data
from tests.spaces.sampling import facts
from tests.tuning.made_up import SPACE

NO_LIMITS = Asked(max_params=None, max_macs=None, trials=None, time_budget=None)
ALONE = Resources(concurrency=1, threads=1, gpus=0, gpus_per_trial=0.0)
COSTS = Costs(parameters={"default": 100, "small": 10, "wide": 400}, macs={"default": 1000, "small": 100, "wide": 2500})


def probe(seconds: float) -> Probe:
    return Probe(speed=Speed(precision="bfloat16", seconds_per_epoch=seconds), costs=COSTS)


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
        (None, 300.0, 10.0, 1, 100),
        (None, 300.0, 10.0, 4, 400),
        (7, 300.0, 10.0, 4, 7),
        (700, 300.0, 10.0, 4, 400),
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


def test_a_part_of_the_data_is_probed() -> None:
    whole = data()  # 8 training and 4 validation images
    part = probed_part(whole, batch_size=1)
    assert (len(part.train), len(part.validation)) == (4, 4)


@pytest.mark.parametrize(
    ("train", "validation", "statistics", "work"),
    [(1505, 504, 128, 3 * 1505 + 504 + 128), (64, 64, 128, 3 * 64 + 64 + 64), (1505, 504, 0, 3 * 1505 + 504)],
)
def test_the_work_of_an_epoch_counts_the_statistics_of_an_averaged_network(
    train: int, validation: int, statistics: int, work: int
) -> None:
    assert epoch_work(train, validation, statistics) == work


@pytest.mark.parametrize(
    ("gpus", "share", "mask", "seen"),
    [
        (0, 0.0, None, [None, None]),
        (2, 1.0, None, ["0", "1"]),
        (2, 0.5, None, ["0", "0", "1", "1"]),
        (4, 2.0, None, ["0,1", "2,3"]),
        (2, 0.0, None, ["", ""]),
        (2, 1.0, "5,7", ["5", "7"]),
    ],
)
def test_each_probe_sees_the_gpus_of_one_trial(
    monkeypatch: pytest.MonkeyPatch, gpus: int, share: float, mask: str | None, seen: list[str | None]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if mask is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mask)
    resources = Resources(concurrency=len(seen), threads=1, gpus=gpus, gpus_per_trial=share)
    assert [visible_devices(resources, place) for place in range(len(seen))] == seen


def test_an_epoch_shows_the_rare_class_more_often() -> None:
    rare = facts(train_images=100, class_images=(60, 80, 70, 50, 6))
    assert [entries(rare, times) for times in (1, 4)] == [100, 118]
    assert entries(facts(train_images=100, class_images=(60, 80, 70, 50, 40)), 4) == 100


def test_costs_are_of_every_network_at_the_training_size() -> None:
    models = {"default": SPACE.default.model, "same": SPACE.default.model}
    small, large = measure_costs(models, 32, 64), measure_costs(models, 64, 128)
    assert small.macs["default"] == small.macs["same"]
    assert large.macs["default"] == pytest.approx(4 * small.macs["default"], rel=0.01)
    assert large.parameters == small.parameters
