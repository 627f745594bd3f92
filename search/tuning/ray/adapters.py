"""A source of trials as Ray Tune sees it: a Searcher, a scheduler, and the Trainable that an actor runs.

Ray's trials are only a way to execute: a dict maps each to a trial number of the study. A resumed, retried or continued
trial is a new one for Ray and the same number for the study, so that neither Ray's checkpoints nor its restoring are
needed. Reports are taken and decided upon in the scheduler, which Ray calls first, and which is the only one called for
every result.
"""

import json
import os
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.errors import StudyError
from search.training.outcome import EpochReport, TrialOutcome
from search.tuning.fork_server import Fork, ForkServer, WorkerDiedError
from search.tuning.messages import Assignment, Message
from search.tuning.runner import TrialRunner, shared_runner
from search.tuning.source import TrialSource

MESSAGE = "message"

DEVICES = "CUDA_VISIBLE_DEVICES"
"""Which GPUs Ray gave to an actor, in its environment."""


class SourceLink:
    """What the searcher and the scheduler share: the source of trials, which Ray trial is which, and the first error.

    `exhausted` tells whether Ray was told that no trial is left.

    Ray swallows exceptions of a searcher; they are kept here and raised again when Ray has returned.
    """

    def __init__(self, source: TrialSource, concurrency: int, server: ForkServer) -> None:
        self.source = source
        self.server = server
        self.concurrency = concurrency
        self.numbers: dict[str, int] = {}
        self.error: Exception | None = None
        self.exhausted = False

    def check_server(self) -> None:
        """Raise StudyError where the process is gone that workers are forked of: every further trial would fail."""
        if not self.server.can_fork():
            raise StudyError(
                "the process that workers are forked of has died, killed perhaps where memory ran out. The trials that "
                f"were running are kept, and the same command continues them{self.server.stderr}"
            )

    def fail(self, error: Exception) -> None:
        """Remember an error of ours and start nothing more."""
        self.error = self.error or error
        self.source.stop()


class SourceSearcher(Searcher):
    """Hands out what the source wants to run next."""

    def __init__(self, link: SourceLink) -> None:
        super().__init__()
        self._link = link

    def set_search_properties(self, *_args: Any, **_kwargs: Any) -> bool:
        """Nothing to set: the study knows metric and mode."""
        return True

    def suggest(self, trial_id: str) -> Any:
        """The next assignment as a Ray config, None while all actors are busy, FINISHED when there is nothing to start.

        Ray asks one trial ahead; without the limit a proposal would be made before the result that it could learn from.
        """
        if self._link.error is not None:
            return self._finished()
        if self._link.source.live >= self._link.concurrency:
            return None
        try:
            assignment = self._link.source.next_trial()
        except Exception as error:
            self._link.fail(error)
            assignment = None
        if assignment is None:
            return self._finished()
        self._link.numbers[trial_id] = assignment.number
        return {"number": assignment.number, "folder": assignment.folder, "known_epochs": assignment.known_epochs}

    def _finished(self) -> str:
        self._link.exhausted = True
        return Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing is left to tell: the scheduler has told it."""


class SourceScheduler(FIFOScheduler):
    """Hands every message to the source and stops the trial when the source says so."""

    def __init__(self, link: SourceLink) -> None:
        super().__init__()
        self._link = link

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Report, decide, tell. A worker may have died with the server: its trial is not to blame."""
        number = self._link.numbers[trial.trial_id]
        message = _unpack(result[MESSAGE])
        try:
            if isinstance(message, TrialOutcome) and message.kind == "crashed":
                self._link.check_server()
            goes_on = self._link.source.receive(number, message)
        except Exception as error:
            self._link.fail(error)
            goes_on = False
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """The actor died: killed, or by an error outside the trial. Where no worker can be forked, all ends."""
        try:
            self._link.check_server()
            self._link.source.lost(self._link.numbers[trial.trial_id], f"the worker process died ({_cause(trial)})")
        except Exception as error:
            self._link.fail(error)


class RayTrial(tune.Trainable):
    """An actor: one epoch a step, reused for one trial after the other.

    The trials run in a fork of the search's fork server, on the GPUs that Ray gave to the actor.
    """

    def setup(self, config: dict[str, Any], server: str = "", worker: str = "") -> None:
        """Fork, and prepare the first trial. `server` is the fork server's address, `worker` a file: see `Worker`."""
        self._server, self._worker = server, worker
        self._runner = self._fork()
        self._runner.call(TrialRunner.start, Assignment(**config))

    def _fork(self) -> Fork:
        devices = os.environ.get(DEVICES)
        environment = {} if devices is None else {DEVICES: devices}
        return Fork(self._server, shared_runner, self._worker, environment=environment)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Prepare the next trial in the same process."""
        self._runner.call(TrialRunner.start, Assignment(**new_config))
        return True

    def step(self) -> dict[str, Any]:
        """Train an epoch. The end is a message too: a result marked `done` would never reach the scheduler."""
        try:
            message = self._runner.call(TrialRunner.step)
        except WorkerDiedError as error:
            self._runner.close()
            self._runner = self._fork()
            message = TrialOutcome(kind="crashed", reason=str(error))
        return {MESSAGE: _pack(message)}

    def cleanup(self) -> None:
        """End the fork."""
        self._runner.close()


def _pack(message: Message) -> str:
    """A message as text: Ray flattens nested results before the scheduler sees them."""
    return json.dumps([type(message).__name__, message.model_dump(mode="json")])


def _unpack(packed: str) -> Message:
    name, values = json.loads(packed)
    message_type = EpochReport if name == EpochReport.__name__ else TrialOutcome
    return message_type.model_validate(values)


def _cause(trial: Trial) -> str:
    """What Ray knows of it: nothing, where the process was killed."""
    error = trial.get_pickled_error() if trial.pickled_error_file else None
    if error is None:
        return "killed from outside, perhaps where memory ran out"
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
