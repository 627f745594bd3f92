"""Where a trained network is, and what must be known to predict with it. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path

from search.errors import StudyError
from search.interface.study import Study
from search.selection.export import best_trial, kept_weights, trained_trial
from search.tuning.best import read_best
from search.tuning.folder import BEST_NAME
from search.tuning.trial_folder import WEIGHTS_NAME
from spaces.config import TrialConfig


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network's configuration and weights, the names of its classes, and the size (height, width) of its training.

    `words` says where it comes from.
    """

    config: TrialConfig
    weights: Path
    class_names: tuple[str, ...]
    input_size: tuple[int, int]
    words: str


def is_export(folder: Path) -> bool:
    """Whether `folder` is what `search.export` or `search.train` writes, not a study."""
    return (folder / BEST_NAME).is_file() and (folder / WEIGHTS_NAME).is_file()


def trained_in(folder: Path, trial: int | None = None) -> Trained:
    """The network that was exported to `folder`; its best.yaml knows how many classes there are, not their names.

    Raises StudyError where another `trial` is asked for than the one that is there.
    """
    best = read_best(folder / BEST_NAME)
    if trial not in (None, best.trial):
        raise StudyError(f"{folder} holds trial {best.trial} of {best.study} alone; trial {trial} is in its study")
    return Trained(
        config=best.config,
        weights=folder / WEIGHTS_NAME,
        class_names=tuple(f"class {index}" for index in range(best.config.model.classes)),
        input_size=best.data.input_size,
        words=f"trial {best.trial} of {best.study}",
    )


def trained_by(study: Study, trial: int | None = None) -> Trained:
    """The network of a study's best trial, or of another one. Raises StudyError where its weights were not kept."""
    record = best_trial(study.stored) if trial is None else trained_trial(study.stored, trial)
    return Trained(
        config=record.config,
        weights=kept_weights(study.stored, record),
        class_names=study.class_names,
        input_size=study.input_size,
        words=f"trial {record.number} of {study.name}",
    )
