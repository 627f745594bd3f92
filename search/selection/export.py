"""The best trial, or another one, as files that need no study: `best.yaml` and `best.safetensors`."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from search.errors import StudyError
from search.tuning.best import BestConfig, best_config, read_best
from search.tuning.folder import BEST_NAME
from search.tuning.reading import StoredStudy
from search.tuning.record import TrialRecord, best_of, ranked
from search.tuning.trial_folder import WEIGHTS_NAME, trial_folder


@dataclass(frozen=True, kw_only=True)
class Export:
    """What is written: a configuration, and the weights of its best epoch."""

    best: BestConfig
    weights: Path


def plan_export(study: StoredStudy, number: int | None = None) -> Export:
    """What an export of trial `number` holds; None is the best one. Raises StudyError."""
    record = best_trial(study) if number is None else trained_trial(study, number)
    weights = kept_weights(study, record)
    known = read_identity(study)
    best = best_config(known.study, record, known.data)
    return Export(best=best.model_copy(update={"versions": known.versions}), weights=weights)


def write_export(export: Export, target: Path) -> None:
    """Write both files to the folder `target`, which must be new or empty. Raises StudyError."""
    check_empty(target)
    try:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(export.weights, target / WEIGHTS_NAME)
        (target / BEST_NAME).write_text(export.best.to_yaml())
    except OSError as error:
        raise StudyError(f"{target} cannot be written: {error.strerror}; choose another folder with --to") from error


def check_empty(target: Path) -> None:
    """Raise StudyError unless `target` is a folder that is new or empty."""
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists():
        what = "is not empty" if target.is_dir() else "is a file"
        raise StudyError(f"--to needs a new or an empty folder, so that nothing is overwritten; {target} {what}")


def best_trial(study: StoredStudy) -> TrialRecord:
    """The best trial. Raises StudyError where none has finished an epoch."""
    best = best_of(study.records)
    if best is None:
        raise StudyError(
            f"no trial of {study.name} has finished an epoch yet, so there is nothing to export; let the search go on "
            "with the command that began it"
        )
    return best


def trained_trial(study: StoredStudy, number: int) -> TrialRecord:
    """The trial `number`. Raises StudyError where there is none, or it never finished an epoch."""
    count = len(study.records)
    if not 0 <= number < count:
        has = f"has the trials 0 to {count - 1}" if count else "has no trials yet"
        raise StudyError(f"there is no trial {number}: {study.name} {has}")
    record = study.records[number]
    if record.best_value is None:
        reason = record.reason.strip().splitlines()[-1] if record.reason.strip() else record.state.lower()
        raise StudyError(f"trial {number} never finished an epoch ({reason}); choose another --trial")
    return record


def kept_weights(study: StoredStudy, record: TrialRecord) -> Path:
    """The weights of a trial. Raises StudyError where they were deleted, naming the trials that still have theirs."""
    path = _weights(study, record)
    if path.is_file():
        return path
    kept = [str(other.number) for other in ranked(study.records) if _weights(study, other).is_file()]
    raise StudyError(
        f"weights are kept for the best trials only (--keep of the search), and those of trial {record.number} are not "
        f"there; kept are, best first: {', '.join(kept) or 'none'}. Export one of these with --trial"
    )


def read_identity(study: StoredStudy) -> BestConfig:
    """The study's own best.yaml, which knows data and split. Raises StudyError where the search was cut before it."""
    path = study.folder / BEST_NAME
    if not path.is_file():
        raise StudyError(
            f"{path} is written when a search ends, and is not there yet; continue the search until it ends, or end it "
            "with Ctrl-C"
        )
    return read_best(path)


def _weights(study: StoredStudy, record: TrialRecord) -> Path:
    return trial_folder(study.folder, record.number) / WEIGHTS_NAME
