"""What every tracker is told, and what it must be able to do."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from search.training.outcome import EpochReport
from search.tuning.record import TrialRecord
from search.tuning.spec import StudySpec
from spaces.config import TrialConfig

Setting = str | int | float | bool
Settings = Mapping[str, Setting]

MIOU, LOSS, RATE, SECONDS = "validation/mIoU", "training/loss", "training/learning_rate", "seconds"

_NOT_IN_NAMES = re.compile(r"[^\w \-]")
"""What names of values may not hold in one library or another."""


@dataclass(frozen=True, kw_only=True)
class TrackedStudy:
    """The study as the parent or group of its trials. `folder` is where it may write."""

    name: str
    folder: Path
    settings: Settings


@dataclass(frozen=True, kw_only=True)
class TrackedTrial:
    """A trial before its first epoch: how it was proposed, and its whole configuration."""

    number: int
    origin: str
    settings: Settings

    @property
    def name(self) -> str:
        """How its run is called."""
        return f"trial {self.number}"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a trial ended, or for how long it is left: in one word, in a sentence, and with the best value it reached."""

    kind: Literal["complete", "pruned", "failed", "to be continued"]
    reason: str
    best: float | None


class Opened(NamedTuple):
    """A run of the tracker, by its own name for it, and the last epoch that it already has, 0 for none."""

    run: str
    epochs: int


class Tracker(Protocol):
    """One destination. Every method may raise whatever its library raises: the search goes on without it."""

    @property
    def place(self) -> str:
        """Where it writes: another place knows nothing of what was written here."""
        ...

    @property
    def hint(self) -> str:
        """How to look at it, for the screen."""
        ...

    def begin(self, known: str | None) -> str:
        """Begin the study, or go on with what it is `known` as; the name under which it can be gone on with."""
        ...

    def open(self, trial: TrackedTrial, known: Opened | None) -> Opened:
        """Begin the run of a trial, or go on with a known one."""
        ...

    def log(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        """Values of an epoch of an open run; epochs come in order, each once."""
        ...

    def end(self, number: int, ending: Ending) -> None:
        """Close a run. One that is to be continued may be opened again."""
        ...

    def close(self) -> None:
        """Write what is left, and let go."""
        ...


def epoch_values(report: EpochReport, class_names: Sequence[str]) -> dict[str, float]:
    """The values of an epoch by name, those that there are."""
    names = value_names(class_names)
    classes = {
        f"validation/IoU {name}": value
        for name, value in zip(names, report.class_iou, strict=False)
        if value is not None
    }
    readings = {f"validation/mIoU {_NOT_IN_NAMES.sub('_', name)}": value for name, value in report.readings.items()}
    training = {LOSS: report.train_loss, RATE: report.learning_rate, SECONDS: report.seconds}
    return {MIOU: report.miou, **classes, **readings, **training}


def value_names(class_names: Sequence[str]) -> list[str]:
    """Class names as parts of a value's name: no characters that a library refuses, and no two alike."""
    plain = [" ".join(_NOT_IN_NAMES.sub("_", name).split()) for name in class_names]
    return [name if plain.count(name) == 1 else f"{name} {index}" for index, name in enumerate(plain)]


def trial_settings(config: TrialConfig) -> dict[str, Setting]:
    """A configuration as one level of names with dots, without what is not used."""
    return dict(_flat("", config.model_dump(mode="json")))


def study_settings(spec: StudySpec) -> dict[str, Setting]:
    """What the study is, in a few values."""
    return {
        "space": spec.space,
        "data": spec.data_name,
        "classes": ", ".join(spec.facts.class_names),
        "seed": spec.seed,
        "max_epochs": spec.max_epochs,
        "rungs": ", ".join(str(rung) for rung in spec.rungs),
        "input_size": f"{spec.facts.height}x{spec.facts.width}",
        "identity": spec.identity_hash,
    }


def _flat(name: str, value: object) -> list[tuple[str, Setting]]:
    match value:
        case None:
            return []
        case dict():
            parts = ((f"{name}.{key}" if name else str(key), part) for key, part in value.items())
            return [pair for key, part in parts for pair in _flat(key, part)]
        case bool() | int() | float() | str():
            return [(name, value)]
        case _:
            return [(name, str(value))]


ENDINGS: dict[str, Literal["complete", "pruned", "failed", "to be continued"]] = {
    "trained": "complete",
    "early_stopped": "complete",
    "pruned": "pruned",
    "not_finite": "failed",
    "out_of_memory": "failed",
    "crashed": "failed",
    "interrupted": "to be continued",
}
"""The engine's words for how a trial ended. Refused ones never began; retried ones go on."""


def recorded_ending(record: TrialRecord) -> Ending:
    """How a trial of an earlier run ended."""
    kind = "complete" if record.state == "COMPLETE" else "pruned" if record.ending == "pruned" else "failed"
    if record.state in ("RUNNING", "WAITING"):
        kind = "to be continued"
    return Ending(kind=kind, reason=record.reason, best=record.best_value)
