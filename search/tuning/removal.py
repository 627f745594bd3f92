"""Deleting a study: what would go, what must not, and the deletion itself."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from search.errors import StudyError
from search.tuning.folder import (
    ARTIFACTS_NAME,
    AUDIT_NAME,
    BEST_NAME,
    LOCK_NAME,
    LOG_NAME,
    MEASURED_NAME,
    REPORT_NAME,
    RUNS_NAME,
    SPLIT_NAME,
    TRACKING_NAME,
    locked,
    recorded_storage,
)
from search.tuning.overview import search_runs
from search.tuning.reading import all_trials, study_name
from search.tuning.spec import FILE_NAME as SPEC_NAME
from search.tuning.storage import DATABASE_NAME, delete_study

WRITTEN_BY_SEARCHES = frozenset(
    {
        *(SPEC_NAME, RUNS_NAME, LOG_NAME, SPLIT_NAME, AUDIT_NAME, BEST_NAME, LOCK_NAME),
        *(ARTIFACTS_NAME, TRACKING_NAME, "trials", "answer", REPORT_NAME, MEASURED_NAME),
    }
)
"""The names in a study's folder; the database and its journals, and hidden temporary files, come on top."""


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What the deletion of a study takes away. `storage` is a storage outside the folder, None where there is none.

    `trials` is None where the study's own database cannot be read.
    """

    folder: Path
    storage: str | None
    trials: int | None
    megabytes: float


def plan_removal(folder: Path, storage: str | None = None) -> Removal:
    """What would go. Raises StudyError for a running study, and for a folder that holds more than a study."""
    check_is_study(folder)
    check_not_running(folder)
    outside = storage or recorded_storage(folder)
    size = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
    return Removal(folder=folder, storage=outside, trials=_count_trials(folder, outside), megabytes=size / 1e6)


def remove(removal: Removal) -> None:
    """Delete the study in its storage, then its folder. Raises StudyError."""
    check_not_running(removal.folder)
    with locked(removal.folder):
        if removal.storage is not None:
            delete_study(removal.storage, study_name(removal.folder))
        try:
            shutil.rmtree(removal.folder)
        except OSError as error:
            raise StudyError(f"{error.filename} cannot be deleted: {error.strerror}; remove it yourself") from error


def description(removal: Removal) -> str:
    """What would go, in words."""
    trials = "trials that cannot be read" if removal.trials is None else f"{removal.trials} trials"
    lines = [f"this deletes {removal.folder.resolve()}: {trials}, {removal.megabytes:.1f} MB"]
    if removal.storage is not None:
        scheme = removal.storage.partition("://")[0]  # the rest may hold a password
        lines.append(f"and the study {study_name(removal.folder)!r} in its {scheme} storage")
    return "\n".join(lines)


def check_is_study(folder: Path) -> None:
    """Raise StudyError unless `folder` holds a study, of whatever version, and nothing else."""
    if folder.is_symlink():
        raise StudyError(f"{folder} is a link; delete the study that it leads to, {folder.resolve()}")
    if not _has_spec(folder):
        raise StudyError(f"{folder / SPEC_NAME} was not written by a search: {folder} is no study and is left alone")
    foreign = sorted(path.name for path in folder.iterdir() if not _is_known(path.name))
    if foreign:
        raise StudyError(
            f"a study is deleted with its whole folder; {folder} also holds what no search wrote: "
            f"{', '.join(foreign[:5])}. Move that elsewhere first"
        )


def check_not_running(folder: Path) -> None:
    """Raise StudyError where a search of this machine is at work."""
    if search_runs(folder):
        raise StudyError(f"a search is running on {folder}; end it with Ctrl-C before you delete its study")


def _has_spec(folder: Path) -> bool:
    try:
        spec = yaml.safe_load((folder / SPEC_NAME).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(spec, dict) and {"version", "space", "data_fingerprint"} <= set(spec)


def _is_known(name: str) -> bool:
    return name in WRITTEN_BY_SEARCHES or name.startswith((DATABASE_NAME, f".{SPEC_NAME}", ".writable"))


def _count_trials(folder: Path, outside: str | None) -> int | None:
    """How many trials the study has. A damaged file in the folder goes with it, a storage elsewhere must know them."""
    try:
        return len(all_trials(folder, outside))
    except StudyError as error:
        if outside is None:
            return None
        raise StudyError(
            f"the trials of {folder} cannot be deleted: {error}\n"
            "Where that storage is gone for good, remove the folder yourself"
        ) from error
