"""The options of `python -m search.run`, and the rules that they must obey. Imports nothing heavy."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import tyro

from search.data.stratification import Stratification
from search.errors import UserError
from search.tuning.objectives import Objectives, parse_objectives

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]

Tracker = Literal["tensorboard", "mlflow", "wandb"]

Executor = Literal["ray", "local"]
"""Where trials run: in Ray actors, or in the command's own process."""


@dataclass(frozen=True, kw_only=True)
class What:
    """What is searched, on which data"""

    space: str = "unet_family"
    """Search space: a preset's name (python -m search.spaces lists them), or FILE.py:function for your own."""

    data: Path | None = None
    """An .npz file with training_set, or a folder with images/ and masks/. Default: a generated demo set."""

    input_size: str = "auto"
    """Size in pixels at which networks train: auto, or HxW such as 128x256. The metric is always at native size."""

    pretrained: Annotated[str, tyro.conf.arg(metavar="none|imagenet|FILE")] = "none"
    """Weights that networks start from: none (random), imagenet (timm's, for encoders of timm), or a safetensors FILE
    of an encoder of timm or of a network of an earlier study. What does not fit starts at random."""

    objectives: Annotated[str, tyro.conf.arg(metavar="miou[,COST...]")] = "miou"
    """What is searched for: miou, or its trade-off with costs of one image: latency (measured), macs, parameters, such
    as miou,latency."""

    study: str | None = None
    """Name of the study. The same name again continues it. Default: SPACE-DATASTEM."""

    results: Path = Path("results")
    """Folder that holds the studies."""

    storage: str | None = None
    """Optuna storage, such as postgresql+psycopg://user@host/db or journal:///PATH. Default: SQLite in the study."""

    seed: int = 0
    """Seed of the split, of the sampler and of every trial."""

    stratify: Stratification = "presence"
    """What every part of the split gets its share of. presence: the images of each class. dispersion: of these, and of
    images that one class nearly fills, against all others; its other forms draw that line elsewhere (docs/data.md)."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long the search runs"""

    trials: int | None = None
    """Trials of the whole study, earlier runs included. Default: as many as the time allows."""

    time_budget: str | None = None
    """Time for this run, such as 20m or 1.5h. Default: 4m for the demo set, 1h otherwise; none with --trials."""

    max_epochs: int | None = None
    """Epochs of a full trial. Default: what fits the time budget about five times, 9 to 81; 27 without a budget."""

    grace_epochs: int | None = None
    """Epochs before a trial may first be pruned. Default: max_epochs / reduction_factor^2, at least 1."""

    reduction_factor: int = 3
    """At each rung the best 1 / reduction_factor of the trials go on; rungs are this factor apart."""

    no_warm_start: Flag = False
    """Do not begin with the default point and the space's named points."""


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Which networks are admitted"""

    max_params: int | None = None
    """Most parameters of a network. A larger one is never trained, and the sampler learns to avoid it."""

    max_macs: int | None = None
    """Most multiply-adds for an image. Default: 3 times the default network's, more where the time budget has room; no
    limit without a time budget."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How trials run on this machine"""

    executor: Executor = "ray"
    """ray: parallel trials in Ray Tune actors. local: one after the other in this process."""

    concurrency: str = "auto"
    """Trials at once: auto (one a core and at most 8, as memory allows; on GPUs see below), or a number."""

    gpus_per_trial: str = "auto"
    """Share of a GPU for each trial, such as 0.5. auto: as many trials on a GPU as raise what they train in all,
    measured once a study; with --concurrency equal shares, a whole GPU at most."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of forward passes; losses and weights stay in float32. auto: what is faster here, measured once a study."""

    layout: Literal["auto", "channels_last", "contiguous"] = "auto"
    """Of images and features in memory. auto: what is faster here, measured once a study."""

    keep: int = 5
    """For how many of the best trials weights are kept on disk."""

    pictures: int | None = None
    """Draw predictions for a few validation images every so many epochs, into each trial's folder. Default: none."""

    track: Annotated[tuple[Tracker, ...], tyro.conf.UseAppendAction] = ()
    """Report every epoch to TensorBoard, MLflow or Weights & Biases too; may be given more than once."""

    dry_run: Flag = False
    """Print the data, the space, costs and estimates, and start nothing."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Search for the best segmentation network, loss, optimizer and augmentation for a small data set.

    Ctrl-C ends the search cleanly; the same command continues it.
    """

    what: tyro.conf.OmitArgPrefixes[What] = field(default_factory=What)
    budget: tyro.conf.OmitArgPrefixes[Budget] = field(default_factory=Budget)
    networks: tyro.conf.OmitArgPrefixes[Networks] = field(default_factory=Networks)
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)

    @property
    def study_name(self) -> str:
        """The study's name: the one given, else SPACE-DATASTEM, what cannot be in a folder's name as a dash."""
        if self.what.study is not None:
            return self.what.study
        space = self.what.space.rpartition(":")[2]
        name = f"{space}-{self.what.data.stem if self.what.data is not None else 'demo'}"
        return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")

    @property
    def time_budget(self) -> float | None:
        """Seconds for this run, None for no limit."""
        if self.budget.time_budget is not None:
            return parse_duration(self.budget.time_budget)
        if self.budget.trials is not None:
            return None
        return 240.0 if self.what.data is None else 3600.0

    @property
    def concurrency(self) -> int | None:
        """Trials at once, None for automatic."""
        return parse_concurrency(self.execution.concurrency)

    @property
    def gpus_per_trial(self) -> float | None:
        """Share of a GPU a trial, None for automatic."""
        return parse_gpu_share(self.execution.gpus_per_trial)

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Height and width in pixels, None for automatic."""
        text = self.what.input_size
        if text == "auto":
            return None
        match = re.fullmatch(r"(\d+)x(\d+)", text)
        if match is None:
            raise UserError(f"--input-size is auto or HEIGHTxWIDTH in pixels, such as 128x256, got {text!r}")
        return int(match[1]), int(match[2])

    @property
    def objectives(self) -> Objectives:
        """What is searched for, mIoU first."""
        return parse_objectives(self.what.objectives)

    def check(self) -> None:
        """Raise UserError for values that no search could run with."""
        for name, value in (
            ("--trials", self.budget.trials),
            ("--max-epochs", self.budget.max_epochs),
            ("--grace-epochs", self.budget.grace_epochs),
            ("--max-params", self.networks.max_params),
            ("--max-macs", self.networks.max_macs),
            ("--keep", self.execution.keep),
            ("--pictures", self.execution.pictures),
        ):
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least 1, got {value}")
        if self.budget.reduction_factor < 2:
            raise UserError(f"--reduction-factor must be at least 2, got {self.budget.reduction_factor}")
        if not 0 <= self.what.seed < 2**32:
            raise UserError(f"--seed must be between 0 and {2**32 - 1}, got {self.what.seed}")
        check_grace(self.budget.grace_epochs, self.budget.max_epochs)
        check_trackers(self.execution.track)
        # Each of these raises what it refuses.
        _ = (self.time_budget, self.concurrency, self.gpus_per_trial, self.input_size, self.objectives)


def check_grace(grace: int | None, max_epochs: int | None) -> None:
    """Raise UserError where the grace period is longer than the trials."""
    if grace is not None and max_epochs is not None and grace > max_epochs:
        raise UserError(
            f"--grace-epochs must not be over --max-epochs, got {grace} over {max_epochs}: no trial could be pruned"
        )


def check_trackers(names: Sequence[str]) -> None:
    """Raise UserError for the first library of `names` that is not installed."""
    for name in names:
        if find_spec(name) is None:
            raise UserError(
                f"--track {name} needs the package {name}, which is not installed; start the command with "
                f"uv run --extra {name}"
            )


def parse_duration(text: str) -> float:
    """Seconds of `90`, `90s`, `20m`, `1.5h`, `2d`. Raises UserError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if seconds <= 0:
        raise UserError(f"--time-budget is a time over zero such as 90s, 20m or 1.5h, got {text!r}")
    return seconds


def parse_concurrency(text: str) -> int | None:
    """Trials at once of `4`, None of `auto`. Raises UserError."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--concurrency is auto or a whole number of at least 1, got {text!r}")
    return int(text)


def parse_gpu_share(text: str) -> float | None:
    """Share of a GPU a trial of `0.5`, None of `auto`. Raises UserError."""
    if text == "auto":
        return None
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 64:
        raise UserError(f"--gpus-per-trial is auto or a number from 0, such as 0.5, got {text!r}")
    return share
