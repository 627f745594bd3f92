"""When the locked test part was looked at: kept beside the study's trials, where no deleted folder loses it."""

from pathlib import Path
from typing import Any

from search.errors import StudyError
from search.tuning.reading import find_stored, study_name

OPENINGS = "test_openings"


def read_openings(folder: Path, storage: str | None = None) -> list[dict[str, Any]]:
    """Every opening of the study in `folder`, oldest first."""
    stored = find_stored(folder, storage)
    if stored is None:
        return []
    study_id = stored.storage.get_study_id_from_name(stored.name)
    return list(stored.storage.get_study_user_attrs(study_id).get(OPENINGS, []))


def record_opening(folder: Path, opening: dict[str, Any], storage: str | None = None) -> None:
    """Add an opening, before anything is measured: whatever ends the command, it has been recorded."""
    stored = find_stored(folder, storage)
    if stored is None:
        raise StudyError(f"the storage of {study_name(folder)} has no trials: there is nothing to measure")
    study_id = stored.storage.get_study_id_from_name(stored.name)
    openings = [*stored.storage.get_study_user_attrs(study_id).get(OPENINGS, []), opening]
    stored.storage.set_study_user_attr(study_id, OPENINGS, openings)


def record_seen(folder: Path, seen: dict[str, Any], storage: str | None = None) -> None:
    """Add to the last opening what was seen."""
    *earlier, last = read_openings(folder, storage)
    stored = find_stored(folder, storage)
    assert stored is not None
    study_id = stored.storage.get_study_id_from_name(stored.name)
    stored.storage.set_study_user_attr(study_id, OPENINGS, [*earlier, last | seen])
