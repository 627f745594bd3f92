"""What is measured once, before the first trial of a study: precision, seconds an epoch, and the limit that follows.

As many processes as trials will run at once train the default point for a few batches, at the same time: what a trial
gets on a busy machine is what counts. They are processes of their own, so that the search's own process never imports
torch.
"""

import os
import statistics
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from threading import Barrier, BrokenBarrierError
from typing import Literal

from search.data.samples import Samples, TrialData
from search.tuning.resources import Resources
from search.tuning.spec import Measured
from spaces.config import BudgetConfig, TrialConfig
from spaces.facts import DataFacts
from spaces.networks import ModelConfig
from spaces.space import SearchSpace

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")

PROBED_BATCHES = 4
PROBED_VALIDATION_IMAGES = 64
WORTHWHILE = 1.1
"""How much faster bfloat16 must be before its rounding is accepted."""

READY_SECONDS = 120.0
"""How long processes wait for each other before they measure."""

BUDGET_SHARE = 5
"""The default network finishes its epochs within a fifth of the time budget, ..."""

STRETCHED_SHARE = 3
"""... or within a third, as long as a fifth is less than `DEFAULT_EPOCHS`: after few epochs rungs tell little."""

ADMITTED_MACS = 3
"""How often the default's multiply-adds are admitted anyhow: 1.7 times its width. Pruning bounds their cost."""

EPOCH_CHOICES = (9, 12, 15, 18, 21, 24, 27, 36, 45, 54, 81)
DEFAULT_EPOCHS = 27
MEAN_SHARE = 0.3
"""Share of its epochs that a trial trains on average under ASHA with two or three rungs, for estimates."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Seconds an epoch of the default point, one trial among all that run at once."""

    precision: Precision
    seconds_per_epoch: float


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Parameters and multiply-adds an image, for the default point and each named point."""

    parameters: Mapping[str, int]
    macs: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """All measurements; `choose_epochs` and `conclude` say what follows from them for a given budget."""

    speed: Speed
    costs: Costs


def run_probe(space: SearchSpace, data: TrialData, resources: Resources) -> Probe:
    """Measure on this machine, in fresh processes. Takes the time of importing torch and a few batches."""
    part = probed_part(data, space.default.optimizer.batch_size)
    models = {"default": space.default.model} | {name: point.config.model for name, point in space.points.items()}
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(resources.concurrency, mp_context=context) as pool:
        sizes = pool.submit(measure_costs, models, data.facts.height, data.facts.width)
        costs = sizes.result()
        whole = (entries(data.facts, space.default.augment.oversample), len(data.validation))
        together = manager.Barrier(resources.concurrency)
        measure = partial(measure_speed, space.default, part, whole, threads=resources.threads, together=together)
        devices = [visible_devices(resources, place) for place in range(resources.concurrency)]
        jobs = [pool.submit(measure, devices=device) for device in devices]
        timings = [job.result() for job in jobs]
    seconds = {name: statistics.median(timing[name] for timing in timings) for name in PRECISIONS}
    faster = seconds["float32"] / seconds["bfloat16"] > WORTHWHILE
    precision: Precision = "bfloat16" if faster else "float32"
    return Probe(speed=Speed(precision=precision, seconds_per_epoch=seconds[precision]), costs=costs)


def probed_part(data: TrialData, batch_size: int) -> TrialData:
    """A few batches of the training part, and some validation images."""
    train = min(len(data.train), PROBED_BATCHES * batch_size)
    validation = min(len(data.validation), PROBED_VALIDATION_IMAGES)
    return replace(data, train=_first(data.train, train), validation=_first(data.validation, validation))


def entries(facts: DataFacts, oversample: int) -> int:
    """Training images of an epoch, those of the rare class counted as often as they are shown."""
    rare = 0 if facts.rare_class is None else facts.class_images[facts.rare_class]
    return facts.train_images + (oversample - 1) * rare


def visible_devices(resources: Resources, place: int) -> str | None:
    """CUDA_VISIBLE_DEVICES of the trial at `place` among those that run at once; None without GPUs."""
    if not resources.gpus:
        return None
    whole = max(1, int(resources.gpus_per_trial))
    per_gpu = int(1 / resources.gpus_per_trial + 1e-9) if 0 < resources.gpus_per_trial < 1 else 1
    first = place // per_gpu * whole
    names = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(resources.gpus)))).split(",")
    return ",".join(names[first : first + whole]) if resources.gpus_per_trial else ""


def epoch_work(train: int, validation: int, statistics: int) -> int:
    """The work of an epoch in forward passes of one image; training an image costs three of them.

    `statistics` images more (0: no average) are passed through the averaged network before it is validated.
    """
    return 3 * train + validation + min(train, statistics)


def measure_speed(
    config: TrialConfig,
    part: TrialData,
    whole: tuple[int, int],
    *,
    threads: int,
    devices: str | None,
    together: Barrier,
) -> dict[str, float]:
    """Seconds in each precision of an epoch over `whole` (training, validation) images, from one over `part`.

    An epoch before it warms up. Runs in a process of its own, which sees the GPUs `devices` alone, and begins when all
    of them are ready (`together`): they start one after the other.
    """
    if devices is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices  # before CUDA starts in this process
    import torch

    from search.training.loop import STATISTICS_IMAGES, Trial
    from search.training.precision import Compute, default_device

    torch.set_num_threads(threads)
    averaged = STATISTICS_IMAGES if config.optimizer.ema_decay else 0
    seconds = {}
    with suppress(BrokenBarrierError):  # another process failed, and its own error says why
        together.wait(READY_SECONDS)
    for precision in PRECISIONS:
        budget = BudgetConfig(max_epochs=2, precision=precision)
        probed = config.model_copy(update={"budget": budget})
        trial = Trial(probed, part, Compute(device=default_device(), precision=precision))
        trained = trial.batches.steps * min(config.optimizer.batch_size, len(part.train))
        scale = epoch_work(*whole, averaged) / epoch_work(trained, len(part.validation), averaged)
        seconds[precision] = [trial.train_epoch().seconds for _ in range(2)][1] * scale
    return seconds


def measure_costs(models: Mapping[str, ModelConfig], height: int, width: int) -> Costs:
    """Cost of each network at the training size. Runs in a process that may import torch."""
    from models.cost import measure_cost

    costs = {name: measure_cost(model, height, width) for name, model in models.items()}
    return Costs(
        parameters={name: cost.parameters for name, cost in costs.items()},
        macs={name: cost.macs for name, cost in costs.items()},
    )


def choose_epochs(seconds_per_epoch: float, time_budget: float | None) -> int:
    """The most epochs with which the default point ends within a fifth of the budget; 27 without a budget.

    Where a fifth gives fewer than 27, as many of these as a third gives, and at least 9.
    """
    if time_budget is None:
        return DEFAULT_EPOCHS
    fifth, third = (time_budget / share / seconds_per_epoch for share in (BUDGET_SHARE, STRETCHED_SHARE))
    affordable = max(fifth, min(third, DEFAULT_EPOCHS))
    return max((epochs for epochs in EPOCH_CHOICES if epochs <= affordable), default=EPOCH_CHOICES[0])


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user asked for; None: not asked."""

    max_params: int | None
    max_macs: int | None
    trials: int | None
    time_budget: float | None


def conclude(probe: Probe, asked: Asked, *, max_epochs: int, resources: Resources) -> Measured:
    """The study's measurements: the cost limit, the expected number of trials and the named points that fit."""
    default_macs = probe.costs.macs["default"]
    seconds = probe.speed.seconds_per_epoch
    measured_limit = None
    if asked.max_macs is None and asked.time_budget is not None:
        affordable = asked.time_budget / BUDGET_SHARE / (max_epochs * seconds)
        measured_limit = round(default_macs * max(ADMITTED_MACS, affordable))
    macs_limit = asked.max_macs if asked.max_macs is not None else measured_limit
    fitting = tuple(
        name
        for name, macs in probe.costs.macs.items()
        if (macs_limit is None or macs <= macs_limit)
        and (asked.max_params is None or probe.costs.parameters[name] <= asked.max_params)
    )
    return Measured(
        precision=probe.speed.precision,
        concurrency=resources.concurrency,
        seconds_per_epoch=seconds,
        default_macs=default_macs,
        default_parameters=probe.costs.parameters["default"],
        max_macs=measured_limit,
        expected_trials=expect_trials(asked, seconds * max_epochs, resources.concurrency),
        fitting_points=fitting,
    )


def expect_trials(asked: Asked, seconds_per_trial: float, concurrency: int) -> int | None:
    """How many trials the limits allow, the time budget by estimate; None without any limit."""
    if asked.time_budget is None:
        return asked.trials
    by_time = max(1, int(asked.time_budget * concurrency / (MEAN_SHARE * seconds_per_trial)))
    return by_time if asked.trials is None else min(by_time, asked.trials)


def _first(samples: Samples, count: int) -> Samples:
    return Samples(images=samples.images[:count], masks=samples.masks[:count])
