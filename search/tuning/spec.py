"""What a study is: its identity, written before the first trial, and what was measured once at its start."""

import hashlib
from pathlib import Path
from typing import Any, ClassVar

from search.data.stratification import Stratification
from search.errors import StudyError
from search.files import write_whole
from search.hashes import short_hash
from search.tuning.asha import rungs
from search.tuning.objectives import MIOU_ALONE, Objectives
from search.tuning.packing import Packing
from spaces.config import BudgetConfig, Layout, Precision
from spaces.facts import DataFacts
from spaces.schema import Config

FORMAT_VERSION = 3
FILE_NAME = "spec.yaml"


class Measured(Config):
    """Measured once a study on the machine that started it, so that a resumed search decides as before.

    `seconds_per_epoch` is that of the default point, one trial among `concurrency`; `max_macs` the most multiply-adds
    an image that a network may need (None: no limit); `expected_trials` what the first time budget was estimated to
    allow. `packing` is None without a GPU, and where `--concurrency` or `--gpus-per-trial` were given.
    """

    precision: Precision
    layout: Layout = "channels_last"
    concurrency: int
    packing: Packing | None = None
    seconds_per_epoch: float
    default_macs: int
    default_parameters: int
    max_macs: int | None
    expected_trials: int | None
    fitting_points: tuple[str, ...]


class StudySpec(Config):
    """A study's identity and its measurements. Everything but `measured` must agree when a study is continued.

    `unlabelled_fingerprint` is that of the images without labels where the space has pseudo-labels, else None.
    `metric` is what the first of the `objectives` is measured by.
    """

    version: int = FORMAT_VERSION
    space: str
    space_fingerprint: str
    data_name: str
    data_fingerprint: str
    split_fingerprint: str
    stratify: Stratification = "presence"
    unlabelled_fingerprint: str | None = None
    seed: int
    metric: str = "miou"
    objectives: Objectives = MIOU_ALONE
    max_epochs: int
    grace_epochs: int
    reduction_factor: int
    patience: int
    max_params: int | None
    max_macs: int | None
    warm_start: bool
    pretrained: str
    facts: DataFacts
    measured: Measured

    NOT_IDENTITY: ClassVar[frozenset[str]] = frozenset({"measured", "data_name", "facts", "space", "stratify"})
    """Measurements, and names that the fingerprints stand for: a space or data set may lie anywhere, and what a split
    was stratified on is in the split."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which ASHA decides."""
        return rungs(self.max_epochs, self.grace_epochs, self.reduction_factor)

    @property
    def budget(self) -> BudgetConfig:
        """The budget of every trial."""
        measured = self.measured
        return BudgetConfig(
            max_epochs=self.max_epochs, patience=self.patience, precision=measured.precision, layout=measured.layout
        )

    @property
    def macs_limit(self) -> int | None:
        """The limit on multiply-adds an image: the user's, else the measured one."""
        return self.max_macs if self.max_macs is not None else self.measured.max_macs

    def differences(self, other: "StudySpec") -> list[str]:
        """One line for each part of the identity in which `other` differs, and one for why its split does."""
        mine, theirs = self._identity(), other._identity()
        if self.split_fingerprint != other.split_fingerprint:
            mine, theirs = mine | {"stratify": self.stratify}, theirs | {"stratify": other.stratify}
        changed = [key for key in mine if mine[key] != theirs[key]]
        return [
            f"{key}: the study has {short_hash(str(mine[key]))}, asked for {short_hash(str(theirs[key]))}"
            for key in changed
        ]

    def _identity(self) -> dict[str, Any]:
        size = f"{self.facts.height}x{self.facts.width}"
        words = {"input_size": size, "objectives": ",".join(self.objectives)}
        return self.model_dump(exclude=set(self.NOT_IDENTITY)) | words

    @property
    def identity_hash(self) -> str:
        """A hash of the identity, to find it again in a storage."""
        identity = self._identity()
        # Studies from before one of these existed keep their hash.
        if self.unlabelled_fingerprint is None:
            del identity["unlabelled_fingerprint"]
        if self.objectives == MIOU_ALONE:
            del identity["objectives"]
        return hashlib.sha256(repr(sorted(identity.items())).encode()).hexdigest()

    def write(self, folder: Path) -> None:
        """Write `spec.yaml`, whole or not at all."""
        write_whole(folder / FILE_NAME, self.to_yaml())


def read_spec(folder: Path) -> StudySpec | None:
    """The spec of the study in `folder`, None where there is none. Raises StudyError where it cannot be read."""
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    text = path.read_bytes().decode(errors="replace")
    try:
        spec = StudySpec.from_yaml(text)
        if spec.version != FORMAT_VERSION:
            raise ValueError("its parts may mean something else")
        return spec
    except ValueError as error:
        first_line = next((line for line in text.splitlines() if line.startswith("version:")), "version: unknown")
        raise StudyError(
            f"{path} was not written by this version of the tool ({first_line}, this tool writes version "
            f"{FORMAT_VERSION}):\n{error}\nUse another --study name; uv run python -m search.delete removes the study"
        ) from error
