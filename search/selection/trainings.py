"""Training given configurations to their ends, by the executors of a search. Imports no torch.

What happened stands in each training's folder, so that the same command goes on where it was cut off.
"""

import json
import shutil
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from search.files import make_folder, write_whole
from search.training.outcome import EpochReport, TrialOutcome, best_report
from search.tuning.events import TrialEnded, TrialEpoch, TrialStarted
from search.tuning.folder import unwritable
from search.tuning.messages import Assignment, Message
from search.tuning.source import INTERRUPTED, TrialSource
from search.tuning.trial_folder import CHECKPOINT_NAME, CONFIG_NAME, WEIGHTS_NAME, read_config
from spaces.config import TrialConfig
from spaces.schema import Config

REPORTS_NAME = "reports.json"
OUTCOME_NAME = "outcome.json"
MAX_RETRIES = 1

SUCCESSES = ("trained", "early_stopped")
TRIED_AGAIN = ("crashed", "out_of_memory")
"""How a training may fail of what is around it. The next run tries these again; a loss that is not finite stays so."""


class Training(Config):
    """A configuration to be trained: `system` names it, one of several trainings from different seeds."""

    system: str
    config: TrialConfig

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.system}-seed-{self.config.seed}"

    @property
    def words(self) -> str:
        """The name as it is shown."""
        return f"{self.system.replace('-', ' ')}, seed {self.config.seed}"


class TrainingResult:
    """What a training has left in its folder so far."""

    def __init__(self, training: Training, folder: Path) -> None:
        self.training = training
        self.folder = folder

    @cached_property
    def reports(self) -> list[EpochReport]:
        """Its epochs so far."""
        path = self.folder / REPORTS_NAME
        if not self.is_mine or not path.is_file():
            return []
        return [EpochReport.model_validate(report) for report in json.loads(path.read_text())]

    @cached_property
    def outcome(self) -> TrialOutcome | None:
        """How it ended, None where it has not."""
        path = self.folder / OUTCOME_NAME
        return TrialOutcome.model_validate_json(path.read_text()) if self.is_mine and path.is_file() else None

    @cached_property
    def is_mine(self) -> bool:
        """Whether the folder holds this configuration, and not one that had its name before."""
        try:
            return read_config(self.folder) == self.training.config
        except (FileNotFoundError, ValueError):
            return False

    @property
    def trained(self) -> bool:
        """Whether it has been trained to its end."""
        return self.outcome is not None and self.outcome.kind in SUCCESSES

    @property
    def failure(self) -> str | None:
        """How it failed, in a line; None where it did not."""
        if self.outcome is None or self.trained:
            return None
        lines = self.outcome.reason.strip().splitlines()
        return f"{self.training.words}: {lines[-1] if lines else self.outcome.kind.replace('_', ' ')}"

    @property
    def miou(self) -> float:
        """The validation mIoU of its best epoch, of at least one."""
        return best_report(self.reports).miou

    @property
    def weights(self) -> Path:
        """The weights of its best epoch."""
        return self.folder / WEIGHTS_NAME


class Trainings(TrialSource):
    """A source of trials: every training that has not ended. `stop_after` ends each after so many epochs.

    `deadline` of time.monotonic(): nothing starts after it, and running epochs are the last. A training that crashes is
    tried once more from its checkpoint; one that fails for good has an outcome that says why. `retry_failed`: those of
    an earlier run that crashed or found no memory are tried again.
    """

    def __init__(
        self,
        trainings: Sequence[Training],
        folder: Path,
        *,
        deadline: float | None = None,
        stop_after: int | None = None,
        retry_failed: bool = False,
    ) -> None:
        super().__init__()
        self.trainings = list(trainings)
        self._folder = folder
        self._deadline = deadline
        self._stop_after = stop_after
        results = dict(enumerate(self.results()))
        self._reports = {number: result.reports for number, result in results.items()}
        again = TRIED_AGAIN if retry_failed else ()
        self._waiting = [
            number for number, result in results.items() if result.outcome is None or result.outcome.kind in again
        ]
        self._retries: dict[int, int] = {}

    def results(self) -> list[TrainingResult]:
        """What each training has left so far, read anew."""
        return [TrainingResult(training, self._folder / training.name) for training in self.trainings]

    @property
    def unfinished(self) -> int:
        """How many trainings have not ended."""
        return len(self._waiting) + len(self._live)

    # --- what next -------------------------------------------------------------------------------------------------

    def next_trial(self) -> Assignment | None:
        """The first training that waits, None where no more is started."""
        while self.wants_more():
            number = self._waiting.pop(0)
            self._prepare(number)
            if not self._has_had_enough(number):
                return self._begin(number)
            self._finish(number, TrialOutcome(kind="trained"))
        return None

    def _prepare(self, number: int) -> None:
        """Make the training's folder, anew where it holds another configuration, and forget how it failed."""
        training = self.trainings[number]
        folder = self._folder / training.name
        result = TrainingResult(training, folder)
        if not result.is_mine:
            if folder.exists():
                shutil.rmtree(folder)
            make_folder(folder)
            write_whole(folder / CONFIG_NAME, training.config.to_yaml())
        (folder / OUTCOME_NAME).unlink(missing_ok=True)

    def _has_had_enough(self, number: int) -> bool:
        """Whether a kill came between its last report and its outcome."""
        return self._stop_after is not None and len(self._reports[number]) >= self._stop_after

    def _begin(self, number: int) -> Assignment:
        training = self.trainings[number]
        folder = self._folder / training.name
        self._live.add(number)
        self.events.put(TrialStarted(number=number, name=training.words))
        return Assignment(number=number, folder=str(folder), known_epochs=len(self._reports[number]))

    def wants_more(self) -> bool:
        """Whether a training may start or go on now."""
        return bool(self._waiting) and not self._stopped and not self._out_of_time

    @property
    def _out_of_time(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    # --- what happened ---------------------------------------------------------------------------------------------

    def receive(self, number: int, message: Message) -> bool:
        """Take one message of a running training; whether it goes on."""
        if isinstance(message, TrialOutcome):
            self._end(number, message)
            return False
        reports = self._reports[number]
        reports.append(message)
        content = json.dumps([report.model_dump(mode="json") for report in reports])
        write_whole(self._file(number, REPORTS_NAME), content)
        self.events.put(TrialEpoch(number=number, report=message))
        if self._stop_after is not None and message.epoch >= self._stop_after:
            self._end(number, TrialOutcome(kind="trained"))
            return False
        last = message.epoch >= self.trainings[number].config.budget.max_epochs
        if not last and (self._stopped or self._out_of_time):
            self._release(number, INTERRUPTED)
            return False
        return True

    def _end(self, number: int, outcome: TrialOutcome) -> None:
        if outcome.kind == "crashed":
            self._crash(number, outcome.reason)
        elif outcome.kind == "unwritable":
            self._release(number, outcome.reason)
            raise unwritable(self._folder, outcome.reason)
        else:
            self._finish(number, outcome)

    def _crash(self, number: int, reason: str) -> None:
        self._retries[number] = self._retries.get(number, 0) + 1
        if self._retries[number] > MAX_RETRIES:
            self._finish(number, TrialOutcome(kind="crashed", reason=reason))
            return
        self._live.discard(number)
        self._waiting.insert(0, number)
        self.events.put(TrialEnded(number=number, kind="retried", reason=reason, best=None))

    def _release(self, number: int, reason: str) -> None:
        self._live.discard(number)
        self._waiting.insert(0, number)
        self.events.put(TrialEnded(number=number, kind="interrupted", reason=reason, best=self._best(number)))

    def _finish(self, number: int, outcome: TrialOutcome) -> None:
        write_whole(self._file(number, OUTCOME_NAME), outcome.model_dump_json())
        if self._stop_after is None:
            self._file(number, CHECKPOINT_NAME).unlink(missing_ok=True)
        self._live.discard(number)
        event = TrialEnded(number=number, kind=outcome.kind, reason=outcome.reason, best=self._best(number))
        self.events.put(event)

    def _best(self, number: int) -> float | None:
        reports = self._reports[number]
        return best_report(reports).miou if reports else None

    def _file(self, number: int, name: str) -> Path:
        return self._folder / self.trainings[number].name / name
