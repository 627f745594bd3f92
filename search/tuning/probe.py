"""What is measured once, before the first trial of a study: precision, layout, seconds an epoch, costs of networks.

As many processes as trials will run at once train the default point for a few batches, at the same time: what a trial
gets on a busy machine is what counts. They are processes of their own, so that the search's own process never imports
torch.
"""

import os
import signal
import statistics
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import active_children, get_context
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError
from typing import TYPE_CHECKING, NamedTuple

from search.data.samples import Samples, TrialData
from search.tuning.resources import Resources
from spaces.config import BudgetConfig, Layout, Precision, TrialConfig
from spaces.facts import DataFacts
from spaces.networks import ExpertsConfig, ModelConfig
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from search.training.loop import Trial

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
LAYOUTS: tuple[Layout, ...] = ("channels_last", "contiguous")

PROBED_BATCHES = 4
PROBED_VALIDATION_IMAGES = 64
WORTHWHILE = 1.1
"""How much faster bfloat16 must be before its rounding is accepted, and another layout before it is more than noise."""

READY_SECONDS = 120.0
"""How long processes wait for each other before they measure."""

_ready: Barrier | None = None


class Mode(NamedTuple):
    """How a trial computes."""

    precision: Precision
    layout: Layout


@dataclass(frozen=True, kw_only=True)
class Modes:
    """What is admitted: one of each where the user forces it."""

    precisions: tuple[Precision, ...] = PRECISIONS
    layouts: tuple[Layout, ...] = LAYOUTS


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Seconds an epoch of the default point, one trial among all that run at once, in the fastest mode."""

    precision: Precision
    layout: Layout
    seconds_per_epoch: float


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Parameters and multiply-adds an image, for the default point and each named point."""

    parameters: Mapping[str, int]
    macs: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """All measurements; `search.tuning.estimates` has what follows from them for a given budget."""

    speed: Speed
    costs: Costs


def run_probe(space: SearchSpace, data: TrialData, resources: Resources, modes: Modes) -> Probe:
    """Measure on this machine, in fresh processes. Takes the time of importing torch and a few batches.

    Precisions are compared in the first layout, other layouts in the precision that won.
    """
    part = probed_part(data, space.default.optimizer.batch_size)
    models = {"default": space.default.model} | {name: point.config.model for name, point in space.points.items()}
    context = get_context("spawn")
    ready = context.Barrier(resources.concurrency)
    with (
        ProcessPoolExecutor(
            resources.concurrency, mp_context=context, initializer=begin_process, initargs=(ready,)
        ) as pool,
        ended_at_once(),
    ):
        sizes = pool.submit(measure_costs, models, data.facts.height, data.facts.width)
        whole = (entries(data.facts, space.default.augment.oversample), len(data.validation))
        measure = partial(measure_speed, space.default, part, whole, threads=resources.threads)
        devices = [visible_devices(resources, place) for place in range(resources.concurrency)]

        def seconds_in(compared: list[Mode]) -> dict[Mode, float]:
            jobs = [pool.submit(measure, compared, devices=device) for device in devices]
            timings = [job.result() for job in jobs]
            return {mode: statistics.median(timing[mode] for timing in timings) for mode in compared}

        seconds = seconds_in([Mode(precision, modes.layouts[0]) for precision in modes.precisions])
        best = fastest(seconds)
        if others := [Mode(best.precision, layout) for layout in modes.layouts[1:]]:
            seconds = {best: seconds[best], **seconds_in(others)}
            best = fastest(seconds)
        costs = sizes.result()
    speed = Speed(precision=best.precision, layout=best.layout, seconds_per_epoch=seconds[best])
    return Probe(speed=speed, costs=costs)


def fastest(seconds: Mapping[Mode, float]) -> Mode:
    """The first mode, or a later one that is `WORTHWHILE` times as fast as the best before it."""
    best, *others = seconds
    for mode in others:
        if seconds[best] > WORTHWHILE * seconds[mode]:
            best = mode
    return best


@contextmanager
def ended_at_once() -> Iterator[None]:
    """End the probe's processes where the block is interrupted, in place of waiting for what they do."""
    try:
        yield
    except KeyboardInterrupt:
        for process in active_children():
            process.terminate()
        raise


def probed_part(data: TrialData, batch_size: int) -> TrialData:
    """A few batches of the training part and of unlabelled images, and some validation images; weights are random."""
    train = min(len(data.train), PROBED_BATCHES * batch_size)
    validation = min(len(data.validation), PROBED_VALIDATION_IMAGES)
    return replace(
        data,
        train=_first(data.train, train),
        validation=_first(data.validation, validation),
        unlabelled=data.unlabelled[:train],
        initial_weights=None,
    )


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


def epoch_work(train: int, validation: int, statistics: int, passes: int) -> int:
    """The work of an epoch in forward passes of one image; training an image costs three of them.

    `statistics` training images are passed through the network `passes` times before it is validated.
    """
    return 3 * train + validation + passes * min(train, statistics)


def statistics_passes(config: TrialConfig) -> int:
    """One for the batch statistics of averaged weights, one for the calibration of experts."""
    return config.optimizer.averages_weights + isinstance(config.model, ExpertsConfig)


def begin_process(ready: Barrier) -> None:
    """Prepare a new process of the probe: Ctrl-C, which all processes of a terminal get, is for the search alone."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    meet_at(ready)


def meet_at(ready: Barrier) -> None:
    """Keep where all processes wait for each other: a barrier can be given to a process only when it starts."""
    global _ready
    _ready = ready


def measure_speed(
    config: TrialConfig,
    part: TrialData,
    whole: tuple[int, int],
    modes: Sequence[Mode],
    *,
    threads: int,
    devices: str | None,
) -> dict[Mode, float]:
    """Seconds in each mode of an epoch over `whole` (training, validation) images, from one over `part`.

    An epoch before it warms up. Runs in a process of its own, which sees the GPUs `devices` alone. Processes start one
    after the other, so each waits until all are ready to measure.
    """
    assert _ready is not None, "meet_at() comes first"
    try:
        trials = start_trials(config, part, modes, threads=threads, devices=devices)
    except BaseException:
        _ready.abort()
        raise
    with suppress(BrokenBarrierError):  # another process failed, and its own error says why
        _ready.wait(READY_SECONDS)
    from search.training.loop import STATISTICS_IMAGES

    more = STATISTICS_IMAGES, statistics_passes(config)
    seconds = {}
    for mode, trial in trials.items():
        trained = trial.batches.steps * min(config.optimizer.batch_size, len(part.train))
        scale = epoch_work(*whole, *more) / epoch_work(trained, len(part.validation), *more)
        seconds[mode] = [trial.train_epoch().seconds for _ in range(2)][1] * scale
    return seconds


def start_trials(
    config: TrialConfig, part: TrialData, modes: Sequence[Mode], *, threads: int, devices: str | None
) -> "dict[Mode, Trial]":
    """The configuration on `part`, ready to train, in each mode. Imports torch."""
    if devices is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices  # before CUDA starts in this process
    import torch

    from search.training.compute import Compute
    from search.training.loop import Trial

    torch.set_num_threads(threads)
    trials = {}
    for mode in modes:
        budget = BudgetConfig(max_epochs=2, precision=mode.precision, layout=mode.layout)
        trials[mode] = Trial(config.model_copy(update={"budget": budget}), part, Compute.here(budget))
    return trials


def measure_costs(models: Mapping[str, ModelConfig], height: int, width: int) -> Costs:
    """Cost of each network at the training size. Runs in a process that may import torch."""
    from models.cost import measure_cost

    costs = {name: measure_cost(model, height, width) for name, model in models.items()}
    return Costs(
        parameters={name: cost.parameters for name, cost in costs.items()},
        macs={name: cost.macs for name, cost in costs.items()},
    )


def _first(samples: Samples, count: int) -> Samples:
    return Samples(images=samples.images[:count], masks=samples.masks[:count])
