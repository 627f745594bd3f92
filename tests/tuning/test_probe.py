"""What is measured before the first trial."""

import weakref
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from search.tuning.packing import GpuFullError
from search.tuning.probe import (
    Costs,
    GpuMemory,
    Mode,
    Modes,
    Networks,
    Timing,
    entries,
    epoch_work,
    fastest,
    probed_part,
    run_probe,
    visible_devices,
)
from search.tuning.resources import Resources
from spaces.networks import ExpertsConfig, ModelConfig
from tests.contracts.fake_training import data
from tests.spaces.sampling import facts
from tests.tuning.in_this_process import InThisProcess
from tests.tuning.made_up import SPACE


def test_a_part_of_the_data_is_probed() -> None:
    whole = data()  # 8 training and 4 validation images
    part = probed_part(whole, batch_size=1)
    assert (len(part.train), len(part.validation)) == (4, 4)
    assert [len(probed_part(whole, batch_size=1, least=images).train) for images in (3, 6, 100)] == [4, 6, 8]


def test_a_part_takes_no_more_unlabelled_images_than_labelled_ones() -> None:
    whole = replace(data(), unlabelled=np.zeros((100, 32, 64, 1), np.uint8))
    assert len(probed_part(whole, batch_size=1).unlabelled) == 4


def test_random_weights_serve_to_measure() -> None:
    assert probed_part(replace(data(), initial_weights={"a": np.zeros(1)}), batch_size=1).initial_weights is None


@pytest.mark.parametrize(
    ("train", "validation", "passes", "work"),
    [(1505, 504, 1, 3 * 1505 + 504 + 128), (64, 64, 2, 3 * 64 + 64 + 2 * 64), (1505, 504, 0, 3 * 1505 + 504)],
)
def test_the_work_of_an_epoch_counts_the_images_of_statistics_and_calibrations(
    train: int, validation: int, passes: int, work: int
) -> None:
    assert epoch_work(train, validation, 128, passes) == work


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
    small, large = Networks(models).costs(32, 64), Networks(models).costs(64, 128)
    assert small.macs["default"] == small.macs["same"]
    assert large.macs["default"] == pytest.approx(4 * small.macs["default"], rel=0.01)
    assert large.parameters == small.parameters


BF16 = Mode("bfloat16", "channels_last")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({Mode("float32", "channels_last"): 1.0}, "float32"),
        ({Mode("float32", "channels_last"): 1.0, BF16: 0.92}, "float32"),
        ({Mode("float32", "channels_last"): 1.0, BF16: 0.9}, "bfloat16"),
    ],
)
def test_another_mode_must_be_worthwhile(seconds: dict[Mode, float], expected: str) -> None:
    assert fastest(seconds).precision == expected


RAW = {"ema_decay": None}
SCHEDULE_FREE = {"algorithm": "schedule_free", "schedule": "constant", "ema_decay": None}
EXPERTS = ExpertsConfig(in_channels=1, classes=3)


class Epochs:
    """Stands for `Trial`: its epochs take the given seconds, and as in a trial of two a third one is wrong."""

    def __init__(self, seconds: list[float]) -> None:
        self.batches = SimpleNamespace(steps=1)
        self.reports: list[object] = []
        self._seconds = iter(seconds)

    def train_epoch(self) -> SimpleNamespace:
        assert len(self.reports) < 2
        self.reports.append(SimpleNamespace(seconds=next(self._seconds)))
        return SimpleNamespace(seconds=self.reports[-1].seconds)


def prepared(timing: Timing) -> Timing:
    timing.prepare(Mode("float32", "channels_last"), torch.get_num_threads())
    return timing


def test_epochs_are_timed_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.training.loop.Trial", lambda *_: Epochs([9.0, 0.2, 0.4, 0.6, 0.8]))
    changed = SPACE.default.optimizer.model_copy(update={"batch_size": 4, "ema_decay": None})
    config = SPACE.default.model_copy(update={"optimizer": changed})
    assert prepared(Timing(config, probed_part(data(), 1), (4, 4))).seconds(1.0) == pytest.approx(0.4)


def test_memory_is_of_the_trial_that_was_prepared_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a pretended GPU of 100 bytes."""
    trials: list[weakref.ref[Epochs]] = []
    calls: list[tuple[str, bool]] = []

    def trial(*_: object) -> Epochs:
        made = Epochs([1.0])
        trials.append(weakref.ref(made))
        return made

    def noted(name: str) -> Callable[[], None]:
        return lambda: calls.append((name, trials[-1]() is None))

    monkeypatch.setattr("search.training.loop.Trial", trial)
    timing = prepared(Timing(SPACE.default, data(), (8, 4)))
    assert not calls
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", noted("emptied"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", noted("reset"))
    prepared(timing)
    assert calls == [("emptied", True), ("reset", True)]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (30, 100))
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 50)
    assert timing.memory() == GpuMemory(reserved=50, taken=70, total=100)


FULL = (torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("CUDA error: out of memory"))


@pytest.mark.parametrize(
    ("error", "told"), [(FULL[0], GpuFullError), (FULL[1], GpuFullError), (RuntimeError("a bug"), RuntimeError)]
)
def test_a_full_gpu_is_told_without_torch(monkeypatch, error: Exception, told: type[Exception]) -> None:
    def trial(*_: object) -> None:
        raise error

    monkeypatch.setattr("search.training.loop.Trial", trial)
    with pytest.raises(told, match=str(error)) as raised:
        prepared(Timing(SPACE.default, data(), (8, 4)))
    assert type(raised.value) is told


@pytest.mark.parametrize(
    ("optimizer", "model", "passes"),
    [
        (RAW, SPACE.default.model, 0),
        ({"ema_decay": 0.99}, SPACE.default.model, 1),
        (SCHEDULE_FREE, SPACE.default.model, 1),
        (RAW, EXPERTS, 1),
        (SCHEDULE_FREE, EXPERTS, 2),
    ],
)
def test_an_epoch_is_scaled_up_with_what_follows_its_training(
    monkeypatch: pytest.MonkeyPatch, optimizer: dict[str, Any], model: ModelConfig, passes: int
) -> None:
    changed = SPACE.default.optimizer.model_copy(update={"batch_size": 4, **optimizer})
    config = SPACE.default.model_copy(update={"optimizer": changed, "model": model})
    monkeypatch.setattr("search.training.loop.Trial", lambda *_: Epochs([0.1, 0.5]))
    timing = prepared(Timing(config, probed_part(data(), batch_size=1), (4000, 1000)))  # 4 and 4 images
    whole = 3 * 4000 + 1000 + 128 * passes
    assert timing.seconds(0.0) == pytest.approx(0.5 * whole / (3 * 4 + 4 + 4 * passes))


SECONDS = {
    Mode("float32", "channels_last"): 3.0,
    Mode("bfloat16", "channels_last"): 2.0,
    Mode("bfloat16", "contiguous"): 1.0,
}


class Made:
    """Stands for `Timing`: its seconds are those of the table, and the second process takes longer."""

    made: ClassVar[list["Made"]] = []

    def __init__(self, *_: object) -> None:
        self.modes: list[Mode] = []
        self.made.append(self)

    def prepare(self, mode: Mode, threads: int) -> None:
        assert threads == 1
        self.modes.append(mode)

    def seconds(self, least: float) -> float:
        return SECONDS[self.modes[-1]] + (self is self.made[-1])


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        (Modes(), (Mode("bfloat16", "contiguous"), 1.5)),
        (Modes(layouts=("channels_last",)), (Mode("bfloat16", "channels_last"), 2.5)),
        (Modes(precisions=("float32",), layouts=("channels_last",)), (Mode("float32", "channels_last"), 3.5)),
    ],
)
def test_the_fastest_of_the_admitted_modes_is_chosen(
    monkeypatch: pytest.MonkeyPatch, modes: Modes, expected: tuple[Mode, float]
) -> None:
    monkeypatch.setattr("search.tuning.probe.Timing", Made)
    monkeypatch.setattr(Made, "made", [])
    monkeypatch.setattr(Networks, "costs", lambda *_: Costs(parameters={}, macs={}))
    resources = Resources(concurrency=2, threads=1, gpus=0, gpus_per_trial=0.0)
    speed = run_probe(SPACE, data(), resources, modes, InThisProcess()).speed
    assert (Mode(speed.precision, speed.layout), speed.seconds_per_epoch) == expected
    assert [len(process.modes) for process in Made.made] == [len(modes.precisions) + len(modes.layouts) - 1] * 2
