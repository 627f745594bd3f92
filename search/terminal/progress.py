"""The state of a running search, built from the engine's events: all that a display shows, and nothing of how."""

import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from search.tuning.events import Event, TrialEnded, TrialEpoch, TrialStarted
from search.tuning.record import TrialRecord, ranked

RATE_WINDOW = 120.0
"""Seconds over which epochs a second are counted."""

OUTCOME_COLUMNS = {
    "trained": "complete",
    "early_stopped": "complete",
    "pruned": "pruned",
    "over_limit": "refused",
    "out_of_memory": "failed",
    "not_finite": "failed",
    "crashed": "failed",
}


@dataclass(kw_only=True)
class RunningTrial:
    """A trial that trains now."""

    name: str
    epoch: int = 0
    miou: float | None = None


@dataclass(kw_only=True)
class Progress:
    """Counts of ended trials by outcome, the running ones, the best one, arrivals at rungs, and the pace.

    `values` holds each trial's best mIoU, without those that cannot be the study's best; `untrained` counts the trials
    that were refused, before their first epoch. `names` are shown in place of the trials' numbers, where given.
    """

    rungs: Sequence[int]
    max_epochs: int
    trials: int | None
    deadline: float | None
    names: Sequence[str] = ()
    started: float = field(default_factory=time.monotonic)
    counts: Counter[str] = field(default_factory=Counter)
    arrivals: Counter[int] = field(default_factory=Counter)
    running: dict[int, RunningTrial] = field(default_factory=dict)
    values: dict[int, float] = field(default_factory=dict)
    untrained: int = 0
    _recent: deque[float] = field(default_factory=deque)

    def recall(self, records: Sequence[TrialRecord]) -> None:
        """Take in the trials of earlier runs."""
        for record in records:
            self.arrivals.update(rung for rung in self.rungs if record.epochs >= rung)
            if record.state in ("COMPLETE", "PRUNED", "FAIL"):
                self.counts[record.ending] += 1
            self.untrained += record.refused
        self.values.update({record.number: record.best_value or 0.0 for record in ranked(list(records))})

    def apply(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case TrialStarted():
                self.running[event.number] = RunningTrial(name=event.name)
            case TrialEpoch():
                self._apply_epoch(event)
            case TrialEnded():
                self._apply_end(event)

    def _apply_end(self, event: TrialEnded) -> None:
        self.running.pop(event.number, None)
        if event.kind not in OUTCOME_COLUMNS:
            return
        column = OUTCOME_COLUMNS[event.kind]
        self.counts[column] += 1
        self.untrained += column == "refused"
        if column in ("refused", "failed"):
            self.values.pop(event.number, None)

    def _apply_epoch(self, event: TrialEpoch) -> None:
        report = event.report
        trial = self.running[event.number]
        trial.epoch, trial.miou = report.epoch, report.miou
        self._recent.append(time.monotonic())
        self.arrivals.update([report.epoch] if report.epoch in self.rungs else [])
        self.values[event.number] = max(report.miou, self.values.get(event.number, report.miou))

    def label(self, number: int, width: int = 0) -> str:
        """What a trial is called, its number at least `width` wide."""
        return self.names[number] if self.names else f"trial {number:>{width}}"

    @property
    def best(self) -> tuple[float, int] | None:
        """The best mIoU so far and its trial, of equal ones the earlier; None before the first epoch."""
        if not self.values:
            return None
        number = min(self.values, key=lambda number: (-self.values[number], number))
        return self.values[number], number

    @property
    def ended(self) -> int:
        """Trials that are over, as `--trials` counts them: without those refused before their first epoch."""
        return self.counts.total() - self.untrained

    @property
    def pace(self) -> float:
        """Epochs a second over the last two minutes, all trials together."""
        now = time.monotonic()
        while self._recent and self._recent[0] < now - RATE_WINDOW:
            self._recent.popleft()
        return len(self._recent) / max(1e-9, min(RATE_WINDOW, now - self.started))

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end of the time budget, None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
