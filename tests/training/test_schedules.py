"""Learning rates: shapes, warm-up, the plateau against torch's, and resuming."""

import io
import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.scheduler.cosine_lr import CosineLRScheduler
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from search.training.schedules import PLATEAU_FACTOR, PLATEAU_PATIENCE, Plateau, Schedule, learning_rate_factor
from spaces.config import OptimizerConfig

KINDS = ("cosine", "poly", "plateau", "constant")
BASE = 0.1


def schedule(kind: str, warmup_epochs: int = 0, max_epochs: int = 10, updates_per_epoch: int = 5) -> Schedule:
    config = OptimizerConfig.model_validate({"schedule": kind, "learning_rate": BASE, "warmup_epochs": warmup_epochs})
    return Schedule(config, max_epochs=max_epochs, updates_per_epoch=updates_per_epoch)


def rates(of: Schedule) -> list[float]:
    return [of.learning_rate(update) for update in range(of.total)]


def optimizer() -> torch.optim.SGD:
    model = nn.Linear(2, 2)
    return torch.optim.SGD([{"params": [model.weight]}, {"params": [model.bias]}], lr=BASE)


def test_cosine_is_timms() -> None:
    ours = schedule("cosine")
    theirs = CosineLRScheduler(optimizer(), t_initial=50)
    assert rates(ours) == pytest.approx([theirs._get_lr(update)[0] for update in range(50)])


def test_poly_and_cosine_at_known_points() -> None:
    assert learning_rate_factor("cosine", 50, warmup=0, total=100) == pytest.approx(0.5)
    assert learning_rate_factor("poly", 50, warmup=0, total=100) == pytest.approx(0.5**0.9)
    assert learning_rate_factor("cosine", 60, warmup=20, total=100) == pytest.approx(0.5)
    assert learning_rate_factor("cosine", 100, warmup=0, total=100) == pytest.approx(0)
    assert learning_rate_factor("poly", 1000, warmup=0, total=100) == 0


def test_constant_stays() -> None:
    assert rates(schedule("constant")) == [BASE] * 50


@pytest.mark.parametrize("kind", KINDS)
def test_warm_up_rises_linearly_to_the_base_rate(kind: str) -> None:
    values = rates(schedule(kind, warmup_epochs=2))
    assert values[:10] == pytest.approx([BASE * (update + 1) / 10 for update in range(10)])
    assert values[10] == pytest.approx(BASE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("epochs", "updates", "warmup"), [(1, 1, 1), (1, 7, 1), (3, 5, 5), (2, 1, 100)])
def test_warm_up_longer_than_half_of_the_training_is_cut(kind: str, epochs: int, updates: int, warmup: int) -> None:
    of = schedule(kind, warmup, epochs, updates)
    assert of.warmup <= of.total / 2
    assert max(rates(of)) == pytest.approx(BASE)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    epochs=st.integers(1, 30),
    updates=st.integers(1, 20),
    warmup=st.integers(0, 8),
)
def test_rates_rise_then_fall_and_are_positive(kind: str, epochs: int, updates: int, warmup: int) -> None:
    of = schedule(kind, warmup, epochs, updates)
    values = rates(of)
    assert all(0 < value <= BASE * (1 + 1e-12) for value in values)
    rising, falling = values[: of.warmup], values[of.warmup :]
    assert all(one < other for one, other in itertools.pairwise(rising))
    assert all(one >= other for one, other in itertools.pairwise(falling))


def test_step_sets_every_group() -> None:
    target = optimizer()
    value = schedule("cosine").step(target, 25)
    assert value == pytest.approx(BASE / 2)
    assert [group["lr"] for group in target.param_groups] == [value, value]


# --- Plateau ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.1, 0.10005, 0.1002, 0.2, 0.3, 0.4]), min_size=1, max_size=40))
def test_plateau_reduces_when_torchs_does(values: list[float]) -> None:
    target = optimizer()
    torchs = ReduceLROnPlateau(
        target,
        mode="max",
        factor=PLATEAU_FACTOR,
        patience=PLATEAU_PATIENCE,
        threshold=1e-4,
        threshold_mode="abs",
        eps=0,
    )
    plateau = Plateau()
    for value in values:
        torchs.step(value)
        plateau.update(value)
        assert BASE * plateau.factor == pytest.approx(target.param_groups[0]["lr"])


def test_plateau_scales_the_rates_after_warm_up_and_ignores_epochs_of_warm_up() -> None:
    of = schedule("plateau", warmup_epochs=3, max_epochs=30)
    for epoch in range(1, 8):
        of.end_epoch(epoch, 0.5)
    assert of.learning_rate(7 * 5) == pytest.approx(BASE)
    of.end_epoch(8, 0.5)
    assert of.learning_rate(8 * 5) == pytest.approx(BASE * 0.3)


@pytest.mark.parametrize("kind", ["cosine", "poly", "constant"])
def test_other_schedules_do_not_look_at_the_metric(kind: str) -> None:
    of, untouched = schedule(kind), schedule(kind)
    for epoch in range(1, 11):
        of.end_epoch(epoch, 0.0)
    assert rates(of) == rates(untouched)


@pytest.mark.parametrize("stop", [0, 3, 6, 9])
def test_a_resumed_schedule_continues_identically(stop: int) -> None:
    values = [0.1, 0.3, 0.2, 0.2, 0.2, 0.2, 0.3, 0.29, 0.2, 0.1, 0.4, 0.1]
    straight, first, second = (schedule("plateau", 1, 12) for _ in range(3))
    for epoch, value in enumerate(values, 1):
        straight.end_epoch(epoch, value)
        (first if epoch <= stop else second).end_epoch(epoch, value)
        if epoch == stop or (stop == 0 and epoch == 1):
            file = io.BytesIO()
            torch.save(first.state_dict(), file)
            file.seek(0)
            if stop:
                second.load_state_dict(torch.load(file, weights_only=True))
    assert second.state_dict() == straight.state_dict()
    assert straight.plateau.factor < 1
    assert math.isfinite(straight.plateau.best)
