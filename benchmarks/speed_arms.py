"""What `trial_speed.py` compares: a training in processes of its own that train one epoch whenever they are asked.

Each arm uses the machine as it would in earnest: the ordinary loop as one process on all cores, ours as so many trials
at once as a search runs. Between its turns an arm's processes wait and take no time from the others.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal, Self

import psutil
import torch

from benchmarks.ordinary_loop import OrdinaryLoop, Tuning, tunings
from search.data.samples import Samples, TrialData
from search.training.compute import Compute
from search.training.device import TensorBatch
from search.training.loop import Trial
from search.training.sources import BatchSource
from search.tuning.fork_server import ForkServer
from search.tuning.probe import LAYOUTS, PRECISIONS, Mode, Modes, run_probe
from search.tuning.resources import Resources
from spaces.config import Layout, Precision, TrialConfig
from spaces.space import SearchSpace

TUNED_IMAGES = 96
"""Images of each trial run while the ordinary loop's workers and batch are tuned."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a process says of one epoch: images it trained on, the CPU time of its threads, and the most memory that it
    and its children have held."""

    images: int
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """A training that is ready: `run` trains one epoch on `images` images and validates; `note` is for the table."""

    run: Callable[[], object]
    images: int
    note: str


Prepare = Callable[[TrialConfig, TrialData, int], Epochs]
"""`prepare(config, data, threads)` in a process of its own: everything before the first epoch."""


def ordinary(config: TrialConfig, data: TrialData, threads: int) -> Epochs:
    """(a) the ordinary loop, its workers and its batch tuned by short runs."""
    batch = min(config.optimizer.batch_size, len(data.train))
    small = part_of(data, max(TUNED_IMAGES, 2 * batch))
    choices = tunings(threads, batch, len(small.train))
    seconds = {choice: _ordinary_seconds(config, small, choice) for choice in choices}
    best = min(seconds, key=lambda choice: seconds[choice])
    loop = OrdinaryLoop(config, data, best)

    def run() -> None:
        loop.train_epoch()
        loop.validate()

    images = len(loop.train_loader) * best.batch_size
    return Epochs(run=run, images=images, note=f"{best.workers} workers, batch {best.batch_size}")


def _ordinary_seconds(config: TrialConfig, data: TrialData, tuning: Tuning) -> float:
    """Seconds an image in the second of two epochs: the first starts the workers."""
    loop = OrdinaryLoop(config, data, tuning)
    loop.train_epoch()
    started = time.perf_counter()
    loop.train_epoch()
    trained = len(data.train) // tuning.batch_size * tuning.batch_size
    return (time.perf_counter() - started) / trained


def ours(config: TrialConfig, data: TrialData, threads: int) -> Epochs:
    """(b) a trial as a search runs it."""
    del threads  # already set for this process
    return _epochs_of(_trial(config, data))


def limit(config: TrialConfig, data: TrialData, threads: int) -> Epochs:
    """(c) the same step on one batch that is there already: nothing is loaded or augmented."""
    del threads
    trial = _trial(config, data)
    trial.batches = ResidentBatch(trial.batches)
    return _epochs_of(trial)


def _trial(config: TrialConfig, data: TrialData) -> Trial:
    return Trial(config, data, Compute.here(config.budget))


def _epochs_of(trial: Trial) -> Epochs:
    batches = trial.batches
    return Epochs(run=trial.train_epoch, images=batches.steps * batches.batch_size, note=f"batch {batches.batch_size}")


class ResidentBatch:
    """The first batch of `batches`, as often as an epoch has batches."""

    def __init__(self, batches: BatchSource) -> None:
        self.steps, self.batch_size = batches.steps, batches.batch_size
        self._batch = next(batches.epoch(0))

    def epoch(self, epoch: int) -> Iterator[TensorBatch]:
        """The same batch again and again."""
        del epoch
        return repeat(self._batch, self.steps)


def part_of(data: TrialData, images: int) -> TrialData:
    """The first `images` training images with their share of the validation part."""
    images = min(images, len(data.train))
    share = max(1, round(len(data.validation) * images / len(data.train)))
    return replace(data, train=_first(data.train, images), validation=_first(data.validation, share))


def _first(samples: Samples, count: int) -> Samples:
    return Samples(images=samples.images[:count], masks=samples.masks[:count])


class Arm:
    """`processes` processes at once, of `threads` threads each, that train an epoch in step."""

    def __init__(
        self,
        prepare: Prepare,
        config: TrialConfig,
        data: TrialData,
        *,
        processes: int,
        threads: int,
        start_method: Literal["spawn", "forkserver"] = "spawn",
    ) -> None:
        context = get_context(start_method)
        self._members: list[tuple[BaseProcess, Connection]] = []
        for _ in range(processes):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, prepare, config, data, threads))
            process.start()
            there.close()
            self._members.append((process, here))
        notes = [connection.recv() for _, connection in self._members]
        self.note, self.peak_bytes, self.images_per_cpu_second = notes[0], 0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process, connection in self._members:
            connection.close()  # what a member waits for ends, and with it the member
            process.join(10)
            process.terminate()

    def images_per_second(self) -> float:
        """Train one epoch in all processes at once; training images a second, validation within the time."""
        started = time.perf_counter()
        for _, connection in self._members:
            connection.send("epoch")
        replies: list[Reply] = [connection.recv() for _, connection in self._members]
        seconds = time.perf_counter() - started
        self.peak_bytes = max(self.peak_bytes, sum(reply.peak_bytes for reply in replies))
        images = sum(reply.images for reply in replies)
        self.images_per_cpu_second = images / sum(reply.cpu_seconds for reply in replies)
        return images / seconds


def _serve(connection: Connection, prepare: Prepare, config: TrialConfig, data: TrialData, threads: int) -> None:
    """The life of a process: prepare, warm up, then an epoch for each message."""
    torch.set_num_threads(threads)
    epochs = prepare(config, data, threads)
    epochs.run()
    connection.send(epochs.note)
    while _asked(connection):
        started = time.process_time()
        epochs.run()
        cpu_seconds = time.process_time() - started
        connection.send(Reply(images=epochs.images, cpu_seconds=cpu_seconds, peak_bytes=peak_bytes()))


def _asked(connection: Connection) -> bool:
    try:
        return connection.recv() == "epoch"
    except EOFError:
        return False


def peak_bytes() -> int:
    """The most memory that this process has held, resident or on its GPU, and what its children hold beside it."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    children: list[Any] = psutil.Process(os.getpid()).children(recursive=True)
    return own + sum(child.memory_info().rss - child.memory_info().shared for child in children)


def machine() -> dict[str, str | int | bool]:
    """What the figures were measured on."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    name = next((line.partition(":")[2].strip() for line in flags.splitlines() if line.startswith("model name")), "CPU")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return {
        "device": gpu or name,
        "cores": len(os.sched_getaffinity(0)),
        "gpu": bool(gpu),
        "amx": "amx_bf16" in flags,
        "torch": torch.__version__,
    }


def probed_mode(
    space: SearchSpace, data: TrialData, resources: Resources, precision: Precision | None, layout: Layout | None
) -> Mode:
    """The precision and the layout asked for, else those that a search would choose."""
    modes = Modes(
        precisions=PRECISIONS if precision is None else (precision,),
        layouts=LAYOUTS if layout is None else (layout,),
    )
    bare = SearchSpace(name=space.name, root=space.root)  # without the points: their costs are not asked for
    with ForkServer() as server:
        speed = run_probe(bare, data, resources, modes, server).speed
    return Mode(speed.precision, speed.layout)
