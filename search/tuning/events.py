"""What the engine tells the display. Facts only: how they look is the display's business."""

from dataclasses import dataclass

from search.training.outcome import EpochReport


@dataclass(frozen=True, kw_only=True)
class TrialStarted:
    """A trial starts or continues; `name` is the named point, or how it was sampled."""

    number: int
    name: str


@dataclass(frozen=True, kw_only=True)
class TrialEpoch:
    """A trial finished an epoch."""

    number: int
    report: EpochReport


@dataclass(frozen=True, kw_only=True)
class TrialEnded:
    """A trial no longer runs: `kind` is a TrialOutcome's, or pruned, interrupted, retried."""

    number: int
    kind: str
    reason: str
    best: float | None


Event = TrialStarted | TrialEpoch | TrialEnded
