"""What an answer computes with networks: choosing on validation, measuring on the locked test part.

Importing this module does not import torch, calling its functions does: they run in a fork of the fork server, which
takes them by name and finds what they need in a file of `search.tuning.shared`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from search.data.samples import TrialData
from search.errors import StudyError
from search.files import write_whole
from search.selection.answer import Candidate
from search.selection.predictor import Predictor
from search.selection.systems import Asked
from search.selection.trainings import TrainingResult
from search.tuning.shared import read_shared
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


def choose(task: Choosing) -> Choice:
    """Build and compare all predictors on the validation part. Raises StudyError where nothing was trained."""
    from search.selection.choice import Chooser

    return Chooser(task).choose()


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


def measure(task: Measurement) -> dict[str, list[Measured]]:
    """What each network of each system predicts."""
    from search.selection.measuring import measure_systems

    return measure_systems(task)


@dataclass(frozen=True, kw_only=True)
class LastWeights:
    """A training's checkpoint, and where the weights that it holds are put as a safetensors file."""

    config: TrialConfig
    checkpoint: Path
    target: Path


def extract_weights(task: LastWeights) -> None:
    """Write the weights of the last epoch, averaged where the training averages. Raises StudyError."""
    from models.build import build_model
    from search.training.checkpoint import load_checkpoint, pack_weights

    state = load_checkpoint(task.checkpoint)
    if state is None:
        raise StudyError(f"{task.checkpoint} is spoiled: delete its folder, and give the same command again")
    network = build_model(task.config.model)
    network.load_state_dict(state["model"] if state["average"] is None else state["average"]["module"])
    write_whole(task.target, pack_weights(network))


def of_shared(function: Callable[[Any], Any], path: str) -> Any:
    """What `function` makes of the value that `search.tuning.shared` has written to `path`."""
    return function(read_shared(Path(path)))
