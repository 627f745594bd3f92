"""What an answer computes with networks: what goes into each computation, and what comes out. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from search.data.samples import TrialData
from search.selection.answer import Candidate
from search.selection.predictor import Predictor
from search.selection.systems import Asked
from search.selection.trainings import TrainingResult
from spaces.config import TrialConfig
from spaces.schema import Config

NETWORK, SOUP, ENSEMBLE = "network", "soup", "ensemble"
"""The kinds of predictors, and their folders; of equal ones the first is chosen."""


@dataclass(frozen=True, kw_only=True)
class Choosing:
    """What choosing needs: the finished trainings by the name of their system, and a folder for what is built."""

    data: TrialData
    asked: Asked
    results: Mapping[str, Sequence[TrainingResult]]
    folder: Path
    threads: int


class Choice(Config):
    """What was found on the validation part. `predictors` maps each kind that there is to its mIoU.

    `system` is the configuration of the best mean over its seeds.
    """

    system: str
    candidates: tuple[Candidate, ...]
    predictors: dict[str, float]

    @property
    def chosen(self) -> str:
        """The kind of the best one; a soup or an ensemble only where it beats what is simpler."""
        return max(self.predictors, key=lambda kind: (self.predictors[kind], -list(self.predictors).index(kind)))


class Located(NamedTuple):
    """A predictor, and the folder of its weights."""

    predictor: Predictor
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What is measured: `data`, whose validation part is the locked one here, and the networks of each system."""

    data: TrialData
    systems: Mapping[str, Sequence[Located]]
    threads: int


class Measured(NamedTuple):
    """A network's confusion matrix (N, K, K) int64 of each image, rows truth, and the other readings of the metric."""

    confusions: np.ndarray
    readings: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class LastWeights:
    """A training's checkpoint, and where the weights that it holds are put as a safetensors file."""

    config: TrialConfig
    checkpoint: Path
    target: Path
