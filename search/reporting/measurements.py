"""What a report measures itself, kept in `report.json` of the study's folder: a second report only reads it.

Each entry names what it was measured on. One of another configuration, weights or study is measured again.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import Field

from search.files import write_whole
from search.tuning.folder import MEASURED_NAME
from search.tuning.importance import Importance
from search.tuning.record import TrialRecord
from spaces.schema import Config

VERSION = 1


class NetworkCost(Config):
    """A trial's network: trainable parameters, and multiply-adds of one image at the training size."""

    configuration: str
    parameters: int
    macs: int


class Latency(Config):
    """The median seconds of one forward pass of one image on the CPU of a machine, with so many threads.

    `machine` is empty in entries from before it was recorded: of no machine that is known.
    """

    configuration: str
    seconds: float
    threads: int
    machine: str = ""


class Importances(Config):
    """Importances, and a hash of the trials that they were computed from."""

    trials: str
    entries: tuple[Importance, ...]


class Example(Config):
    """A validation image and what was predicted for it, as PNG files in data URIs.

    `miou` is the mean IoU over this image alone, `wrong` the share of its counted pixels that are predicted wrongly.
    """

    stem: str
    miou: float
    wrong: float
    image: str
    truth: str
    prediction: str
    differing: str


class Validation(Config):
    """The kept weights of a trial (`weights`: their sha256) on the validation part.

    `confusion` (K, K) counts pixels: rows truth, columns prediction. `worst` and `best` are examples, the most extreme
    first; `counted` is the number of images that they were chosen from.
    """

    trial: int
    weights: str
    confusion: tuple[tuple[int, ...], ...]
    worst: tuple[Example, ...]
    best: tuple[Example, ...]
    counted: int


class Measurements(Config):
    """All that is kept. `identity` is the study's, see `StudySpec.identity_hash`; `costs` and `latencies` by trial."""

    version: int = VERSION
    identity: str
    costs: dict[int, NetworkCost] = Field(default_factory=dict)
    latencies: dict[int, Latency] = Field(default_factory=dict)
    importances: Importances | None = None
    validation: Validation | None = None


def read_measurements(folder: Path, identity: str) -> Measurements:
    """What the last report of this study kept; nothing where there is none, or none of this version and study."""
    with suppress(OSError, ValueError):
        found = Measurements.model_validate_json((folder / MEASURED_NAME).read_bytes())
        if found.version == VERSION and found.identity == identity:
            return found
    return Measurements(identity=identity)


def write_measurements(folder: Path, measurements: Measurements) -> None:
    """Keep what was measured. A folder that cannot be written costs the next report time, and nothing else."""
    with suppress(OSError):
        write_whole(folder / MEASURED_NAME, measurements.model_dump_json())


def configuration_hash(record: TrialRecord) -> str:
    """What tells a trial's configuration from others."""
    return _hash(record.config_data)


def trials_hash(records: list[TrialRecord]) -> str:
    """What tells one state of a study's trials from another: numbers, parameters, best values, feasibility."""
    return _hash(
        [(record.number, record.state, record.feasible, record.params, record.best_value) for record in records]
    )


def file_hash(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
