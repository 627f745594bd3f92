"""What is measured once, before the first trial of a study: precision, layout, seconds an epoch, costs of networks.

As many processes as trials will run at once train the default point for a few batches, at the same time: what a trial
gets on a busy machine is what counts.
"""

import gc
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from search.data.samples import Samples, TrialData
from search.tuning.fork_server import Fork, ForkServer, at_once
from search.tuning.packing import GpuFullError, Packing
from search.tuning.resources import Resources
from search.tuning.runner import is_out_of_memory
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
    """All measurements; `search.tuning.estimates` has what follows from them for a given budget.

    `packing` is what `search.tuning.packing_probe` adds where trials share GPUs.
    """

    speed: Speed
    costs: Costs
    packing: Packing | None = None


class GpuMemory(NamedTuple):
    """Bytes: the most that torch reserved in one process, what all processes hold of the GPU, and all it has."""

    reserved: int
    taken: int
    total: int


def run_probe(space: SearchSpace, data: TrialData, resources: Resources, modes: Modes, server: ForkServer) -> Probe:
    """Measure on this machine, in forks of `server`. Takes the time of a few batches in each mode.

    Precisions are compared in the first layout, other layouts in the precision that won.
    """
    batch_size, threads = space.default.optimizer.batch_size, resources.threads
    models = {"default": space.default.model} | {name: point.config.model for name, point in space.points.items()}
    with ExitStack() as stack:
        costs = stack.enter_context(server.start(Networks, models))
        costs.begin(Networks.costs, data.facts.height, data.facts.width)
        forks = [
            stack.enter_context(
                start_timing(server, space.default, data, probed_part(data, batch_size), resources, place)
            )
            for place in range(resources.concurrency)
        ]
        measured = costs.result()  # first: it would slow down what is timed
        first = [Mode(precision, modes.layouts[0]) for precision in modes.precisions]
        seconds = {mode: seconds_in(mode, threads, forks) for mode in first}
        best = fastest(seconds)
        others = [Mode(best.precision, layout) for layout in modes.layouts[1:]]
        seconds = {best: seconds[best]} | {mode: seconds_in(mode, threads, forks) for mode in others}
        best = fastest(seconds)
    speed = Speed(precision=best.precision, layout=best.layout, seconds_per_epoch=seconds[best])
    return Probe(speed=speed, costs=measured)


def start_timing(
    server: ForkServer, config: TrialConfig, data: TrialData, part: TrialData, resources: Resources, place: int
) -> Fork:
    """The process that stands for the trial at `place` among those that run at once; it trains on `part` of `data`."""
    devices = visible_devices(resources, place)
    whole = (entries(data.facts, config.augment.oversample), len(data.validation))
    return server.start(
        Timing,
        config,
        part,
        whole,
        environment={} if devices is None else {"CUDA_VISIBLE_DEVICES": devices},
    )


def seconds_in(mode: Mode, threads: int, forks: Sequence[Fork], least: float = 0.0) -> float:
    """Seconds an epoch in a mode: the median of all processes, which train at the same time, for `least` seconds."""
    at_once(forks, Timing.prepare, mode, threads)
    return statistics.median(at_once(forks, Timing.seconds, least))


def fastest(seconds: Mapping[Mode, float]) -> Mode:
    """The first mode, or a later one that is `WORTHWHILE` times as fast as the best before it."""
    best, *others = seconds
    for mode in others:
        if seconds[best] > WORTHWHILE * seconds[mode]:
            best = mode
    return best


def probed_part(data: TrialData, batch_size: int, least: int = 0) -> TrialData:
    """A few batches, but at least so many images, of the training part and of unlabelled images, and some validation
    images; weights are random.
    """
    train = min(len(data.train), max(least, PROBED_BATCHES * batch_size))
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


class Timing:
    """The configuration on a part of the data, in a process of its own, ready to train an epoch in one mode.

    `whole` counts the training and validation images of a real epoch.
    """

    def __init__(self, config: TrialConfig, part: TrialData, whole: tuple[int, int]) -> None:
        self._config, self._part, self._whole = config, part, whole
        self._trial: Trial | None = None

    def prepare(self, mode: Mode, threads: int) -> None:
        """Build the trial, and train an epoch to warm up. Raises GpuFullError, as `seconds` does."""
        import torch

        from search.training.compute import Compute
        from search.training.loop import Trial

        torch.set_num_threads(threads)
        self._trial = None
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        budget = BudgetConfig(max_epochs=2, precision=mode.precision, layout=mode.layout)
        config = self._config.model_copy(update={"budget": budget})
        with gpu_full_told():
            self._trial = Trial(config, self._part, Compute.here(budget))
            self._trial.train_epoch()

    def seconds(self, least: float) -> float:
        """Seconds of an epoch over the whole data: from the mean of those over the part that take `least` seconds."""
        from search.training.batches import STATISTICS_IMAGES

        assert self._trial is not None, "seconds() before prepare()"
        more = STATISTICS_IMAGES, statistics_passes(self._config)
        trained = self._trial.batches.steps * min(self._config.optimizer.batch_size, len(self._part.train))
        scale = epoch_work(*self._whole, *more) / epoch_work(trained, len(self._part.validation), *more)
        measured: list[float] = []
        with gpu_full_told():
            while not measured or sum(measured) < least:
                del self._trial.reports[1:]  # it is the second epoch each time: the configuration has no third
                measured.append(self._trial.train_epoch().seconds)
        return statistics.mean(measured) * scale

    def memory(self) -> GpuMemory:
        """That of this process's GPU, the reservations since `prepare`."""
        import torch

        free, total = torch.cuda.mem_get_info()
        return GpuMemory(reserved=torch.cuda.max_memory_reserved(), taken=total - free, total=total)


@contextmanager
def gpu_full_told() -> Iterator[None]:
    """Turn torch's errors of a full GPU into GpuFullError."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise GpuFullError(str(error)) from error


class Networks:
    """Networks by name, in a process that may import torch."""

    def __init__(self, models: Mapping[str, ModelConfig]) -> None:
        self._models = models

    def costs(self, height: int, width: int) -> Costs:
        """The cost of each at the training size."""
        from models.cost import measure_cost

        costs = {name: measure_cost(model, height, width) for name, model in self._models.items()}
        return Costs(
            parameters={name: cost.parameters for name, cost in costs.items()},
            macs={name: cost.macs for name, cost in costs.items()},
        )


def _first(samples: Samples, count: int) -> Samples:
    return Samples(images=samples.images[:count], masks=samples.masks[:count])
