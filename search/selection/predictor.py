"""What predicts in the end: one network, or several together, as a file beside their weights. Imports no torch."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from search.errors import StudyError
from spaces.config import TrialConfig
from spaces.schema import Config, Positive

PREDICTOR_NAME = "predictor.yaml"

Flip = Literal["none", "horizontal", "vertical", "both"]
FLIPPED_AXES: dict[Flip, tuple[int, ...]] = {"none": (), "horizontal": (-1,), "vertical": (-2,), "both": (-2, -1)}
"""The axes of images (N, C, H, W)."""


class Member(Config):
    """One network: its configuration, its safetensors file, and what it counts in the mean.

    `weights` is a file name, relative to the folder of the predictor's own file. `origin` says in words where they come
    from, such as "trial 7, seed 2". The logits are divided by `temperature`.
    """

    config: TrialConfig
    weights: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors$")]
    origin: str
    share: Positive = 1.0
    temperature: Positive = 1.0


class Predictor(Config):
    """Networks whose probabilities are averaged, over `flips` of the image too. `excluded` classes are never predicted.

    `models.ensemble.Ensemble` computes it.
    """

    members: Annotated[tuple[Member, ...], Field(min_length=1)]
    flips: Annotated[tuple[Flip, ...], Field(min_length=1)] = ("none",)
    excluded: tuple[int, ...] = ()

    @property
    def words(self) -> str:
        """What it is, in a few words."""
        count = len(self.members)
        what = "one network" if count == 1 else f"an ensemble of {count} networks"
        flips = "" if self.flips == ("none",) else f", over {len(self.flips)} flips of the image"
        return what + flips


def read_predictor(folder: Path) -> Predictor:
    """Read `predictor.yaml` in `folder`. Raises StudyError."""
    path = folder / PREDICTOR_NAME
    try:
        return Predictor.from_yaml(path.read_text())
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise StudyError(f"{path} is not a {PREDICTOR_NAME} of this version: {error}") from error
