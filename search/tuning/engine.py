"""The search engine: what is tried next, when a trial stops, and what is told to the study.

An executor (Ray Tune, or the process itself) asks for the next trial, hands over each message of a running one, and
obeys the answer. The engine keeps nothing that the study does not hold, apart from this run's clock. It tells what
happens to whoever listens, and knows none of them.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path

from search.errors import StudyError
from search.training.outcome import TrialOutcome
from search.tuning.asha import goes_on, goes_on_among
from search.tuning.events import TrialEnded, TrialEpoch, TrialStarted
from search.tuning.folder import unwritable
from search.tuning.front import point_at
from search.tuning.limits import UNFIT
from search.tuning.messages import Assignment, Message
from search.tuning.record import OVER_LIMIT, TrialRecord
from search.tuning.source import INTERRUPTED, TrialSource
from search.tuning.spec import StudySpec
from search.tuning.study import TrialStudy
from search.tuning.trial_folder import trial_folder, write_config
from search.tuning.weights import keep_best_weights
from spaces.config import TrialConfig
from spaces.space import SearchSpace

MAX_RETRIES = 1
HOPELESS = 3
"""How many first trials may crash for good, with none that trained, before the search ends with their error."""

MOST_REFUSED = 200
"""How many proposals in a row, from the first, may be over the limits."""


@dataclass(frozen=True, kw_only=True)
class RunLimits:
    """When this run ends: `trials` is the study's total, refused ones not counted, `deadline` of time.monotonic()."""

    trials: int | None
    deadline: float | None
    keep: int


class Engine(TrialSource):
    """One run of a search over a study."""

    def __init__(self, study: TrialStudy, space: SearchSpace, spec: StudySpec, folder: Path, limits: RunLimits) -> None:
        super().__init__()
        self._study = study
        self._space = space
        self._spec = spec
        self._folder = folder
        self._limits = limits
        self._points = list(warm_start_points(space, spec).items())

    # --- what next -------------------------------------------------------------------------------------------------

    def next_trial(self) -> Assignment | None:
        """The next trial to run, None where this run starts no more. Raises StudyError where every trial crashes."""
        while self.wants_more():
            record = self._ask()
            if not self._configured(record):
                continue
            self._live.add(record.number)
            if not self._passes(record):
                continue
            folder = trial_folder(self._folder, record.number)
            self.events.put(TrialStarted(number=record.number, name=record.point or record.sampled_by))
            return Assignment(number=record.number, folder=str(folder), known_epochs=record.epochs)
        return None

    def wants_more(self) -> bool:
        """Whether this run may start or continue a trial now."""
        if self._stopped or self.out_of_time:
            return False
        records = self._study.records()
        _raise_if_hopeless(records)
        waiting = any(record.state == "WAITING" for record in records)
        return waiting or self._limits.trials is None or count_tried(records) < self._limits.trials

    @property
    def out_of_time(self) -> bool:
        """Whether this run's time budget is spent."""
        return self._limits.deadline is not None and time.monotonic() >= self._limits.deadline

    def _ask(self) -> TrialRecord:
        number = self._study.count()
        point = self._points[number] if number < len(self._points) else None
        return self._study.ask(
            self._space,
            seed=self._spec.seed,
            startup_trials=startup_trials(self._limits.trials, self._spec),
            point=point,
        )

    def _configured(self, record: TrialRecord) -> bool:
        """Write down the trial's configuration; whether there is one: parts of a space may not go together."""
        try:
            config = self._space.decode(
                record.params, budget=self._spec.budget, seed=self._spec.seed, pretrained=self._spec.pretrained
            )
        except ValueError as error:
            self._study.tell_violation(record.number, OVER_LIMIT, 1.0, f"no configuration: {error}")
            return False
        self._study.set_config(record.number, config)
        write_config(self._folder, record.number, config)
        return True

    # --- what happened ---------------------------------------------------------------------------------------------

    def receive(self, number: int, message: Message) -> bool:
        """Take one message of a running trial; whether it goes on."""
        if isinstance(message, TrialOutcome):
            self._end(number, message)
            return False
        self._study.report(number, message)
        self.events.put(TrialEpoch(number=number, report=message))
        if not self._passes(self._study.record(number)):
            return False
        last = message.epoch >= self._spec.max_epochs
        if not last and (self._stopped or self.out_of_time):
            self._release(number, INTERRUPTED)
            return False
        return True

    # --- telling ---------------------------------------------------------------------------------------------------

    def _passes(self, record: TrialRecord) -> bool:
        """Decide about a trial at a rung, once, and tell. Also makes the decision that a kill left open."""
        rung = record.epochs
        if rung not in self._spec.rungs or record.passed_rung >= rung:
            return True
        if self._is_good_enough(record, rung):
            self._study.pass_rung(record.number, rung)
            return True
        self._study.tell_pruned(record.number, f"pruned at rung {rung}")
        self._finish(record.number, "pruned", f"rung {rung}")
        return False

    def _is_good_enough(self, record: TrialRecord, rung: int) -> bool:
        factor, objectives = self._spec.reduction_factor, self._spec.objectives
        if len(objectives) > 1:
            point = point_at(record, rung, objectives)
            assert point is not None
            return goes_on_among(point, self._study.points_at(rung, but=record.number), factor)
        assert record.best_value is not None
        return goes_on(record.best_value, self._study.values_at(rung, but=record.number), factor)

    def _end(self, number: int, outcome: TrialOutcome) -> None:
        match outcome.kind:
            case "trained" | "early_stopped":
                self._study.tell_complete(number, outcome.kind)
            case "over_limit" | "not_finite" | "out_of_memory":
                self._study.tell_violation(number, outcome.kind, 1.0, outcome.reason)
            case "crashed":
                self._crash(number, outcome.reason)
                return
            case "unwritable":
                self._release(number, outcome.reason)
                raise unwritable(self._folder, outcome.reason)
        self._finish(number, outcome.kind, outcome.reason)

    def _crash(self, number: int, reason: str) -> None:
        if self._study.record(number).retries < MAX_RETRIES:
            self._live.discard(number)
            self._study.release(number, crashed=True)
            self.events.put(TrialEnded(number=number, kind="retried", reason=reason, best=None))
        else:
            self._study.tell_failed(number, reason)
            self._finish(number, "crashed", reason)

    def _release(self, number: int, reason: str) -> None:
        self._live.discard(number)
        self._study.release(number)
        best = self._study.record(number).best_value
        self.events.put(TrialEnded(number=number, kind="interrupted", reason=reason, best=best))

    def _finish(self, number: int, kind: str, reason: str) -> None:
        self._live.discard(number)
        records = self._study.records()
        keep_best_weights(self._folder, records, keep=self._limits.keep, objectives=self._spec.objectives)
        self.events.put(TrialEnded(number=number, kind=kind, reason=reason, best=records[number].best_value))


def count_tried(records: list[TrialRecord]) -> int:
    """How many trials there are, as `--trials` counts them: without refused ones."""
    return sum(not record.refused for record in records)


def _raise_if_hopeless(records: list[TrialRecord]) -> None:
    """Raise StudyError where everything fails for one reason, before hundreds of trials do."""
    if any(record.values for record in records):
        return
    failed = [record for record in records if record.state == "FAIL"]
    if len(failed) >= HOPELESS:
        raise StudyError(
            f"the first {len(failed)} trials crashed and none trained an epoch; the last one says:\n"
            f"{failed[-1].reason}\nuv run python -m search.delete removes the study"
        )
    refused = [record for record in records if record.refused]
    if len(refused) >= MOST_REFUSED:
        reason = refused[-1].reason
        unfit = "choose a --space of networks like the file's, or --pretrained none"
        too_large = "raise --max-params or --max-macs, or give more --time-budget"
        raise StudyError(
            f"the first {len(refused)} proposals were all refused, the last one because {reason}; "
            f"{unfit if reason.startswith(UNFIT) else too_large}"
        )


def warm_start_points(space: SearchSpace, spec: StudySpec) -> dict[str, TrialConfig]:
    """The default and the named points that fit the limits: at most a quarter of the expected trials."""
    if not spec.warm_start:
        return {}
    points = {"default": space.default} | {name: point.config for name, point in space.points.items()}
    expected = spec.measured.expected_trials
    quarter = len(points) if expected is None else max(1, expected // 4)
    return {name: points[name] for name in spec.measured.fitting_points[:quarter]}


def startup_trials(trials: int | None, spec: StudySpec) -> int:
    """How many neighbours of the best trial come before TPE: a fifth of the expected trials, 4 to 10."""
    expected = spec.measured.expected_trials if trials is None else trials
    return 10 if expected is None else min(10, max(4, math.ceil(expected / 5)))
