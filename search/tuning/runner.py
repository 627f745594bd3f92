"""The worker's side of a trial: start it, take one step at a time, let it go. Executors own where and when."""

import gc
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from search.data.samples import TrialData
from search.files import UnwritableError
from search.training.files import TrialFiles
from search.training.outcome import IncompatibleWeightsError, NetworkCosts, NotFiniteError, Training, TrialOutcome
from search.tuning.limits import UNFIT
from search.tuning.messages import Assignment, Message
from search.tuning.shared import read_shared
from search.tuning.trial_folder import read_config, trial_files
from spaces.config import TrialConfig

Trainer = Callable[[TrialConfig, TrialData, TrialFiles, int, int], Training]
"""`train(config, data, files, known_epochs, threads)`: see search.training.loop."""

OUT_OF_MEMORY_TEXTS = (
    "DefaultCPUAllocator",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""In errors of the CPU's allocator, of CUDA itself where a context finds no room, and of its libraries."""

CostCheck = Callable[[TrialConfig], str | None]
"""The reason why a configuration may not be trained, None where it may."""

CostMeter = Callable[[TrialConfig, TrialData, int], NetworkCosts]
"""`measure(config, data, threads)`: what an image costs, before the network trains."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What every worker of a search needs, sent once: `threads` of its own, the data, and what it trains.

    Predictions are drawn every `pictures_every` epochs; 0: never. Where there is a `meter`, the first report of each
    trial has what it measured.
    """

    data: TrialData
    trainer: Trainer
    check: CostCheck
    threads: int
    pictures_every: int = 0
    meter: CostMeter | None = None


def shared_runner(path: str) -> "TrialRunner":
    """The runner of a worker that `search.tuning.shared` has written."""
    return TrialRunner(read_shared(Path(path)))


class TrialRunner:
    """Runs one trial after the other, step by step. Every failure of a trial becomes a TrialOutcome."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._training: Training | None = None

    def start(self, assignment: Assignment) -> None:
        """Prepare a trial; nothing is trained before the first step."""
        self.stop()
        self._training = self._run(assignment)

    def step(self) -> Message:
        """Train one epoch, or say how the trial ended."""
        assert self._training is not None, "step() before start()"
        try:
            return next(self._training)
        except StopIteration as end:
            return end.value
        except Exception as error:
            return _failure(error)

    def stop(self) -> None:
        """Drop the trial's model and optimizer, so that the next one finds the memory free."""
        if self._training is not None:
            self._training.close()
            self._training = None
            gc.collect()

    def _run(self, assignment: Assignment) -> Training:
        folder = Path(assignment.folder)
        config = read_config(folder)
        if reason := self._worker.check(config):
            return TrialOutcome(kind="over_limit", reason=reason)
        worker, files = self._worker, trial_files(folder, self._worker.pictures_every)
        costs = None
        if worker.meter is not None and not assignment.known_epochs:
            costs = worker.meter(config, worker.data, worker.threads)
        training = worker.trainer(config, worker.data, files, assignment.known_epochs, worker.threads)
        return (yield from (training if costs is None else costed(training, costs)))


def costed(training: Training, costs: NetworkCosts) -> Training:
    """The training, with `costs` in its first report."""
    with closing(training):
        try:
            first = next(training)
        except StopIteration as end:
            return end.value
        yield first.model_copy(update={"costs": costs})
        return (yield from training)


def _failure(error: Exception) -> TrialOutcome:
    """What an error of a trial means to the search."""
    if isinstance(error, NotFiniteError):
        return TrialOutcome(kind="not_finite", reason=str(error))
    if isinstance(error, IncompatibleWeightsError):
        return TrialOutcome(kind="over_limit", reason=f"{UNFIT}: {error}")
    if is_out_of_memory(error):
        return TrialOutcome(kind="out_of_memory", reason=str(error) or "out of memory")
    if isinstance(error, UnwritableError):
        return TrialOutcome(kind="unwritable", reason=str(error))
    return TrialOutcome(kind="crashed", reason="".join(traceback.format_exception(error)))


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out: torch has an error of its own for what it allocates on a GPU, and texts for the rest."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(text in str(error) for text in OUT_OF_MEMORY_TEXTS)
    )
