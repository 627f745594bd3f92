"""What passes between the engine and a worker. Imports neither optuna nor torch."""

from dataclasses import dataclass

from search.training.outcome import EpochReport, TrialOutcome

Message = EpochReport | TrialOutcome


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What a worker needs to start or continue a trial; configuration and checkpoint are in `folder`."""

    number: int
    folder: str
    known_epochs: int
