"""Where a trial that trains leaves its files."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class TrialFiles:
    """The files of one trial: the checkpoint it goes on from, and the best weights so far."""

    checkpoint: Path
    weights: Path
