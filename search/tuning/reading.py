"""Reading a study that exists, without changing it; another process may be writing to it."""

from dataclasses import dataclass
from pathlib import Path

import optuna

from search.errors import StudyError
from search.tuning.folder import recorded_storage
from search.tuning.record import TrialRecord, all_records
from search.tuning.spec import StudySpec, read_spec
from search.tuning.storage import open_storage, shown_url, storage_file, storage_url
from search.tuning.trial_folder import has_trials


@dataclass(frozen=True, kw_only=True)
class StoredStudy:
    """A study as its folder and its storage show it at one moment; `records` has every trial, by number."""

    folder: Path
    spec: StudySpec
    records: list[TrialRecord]

    @property
    def name(self) -> str:
        """The name of the study: that of its folder."""
        return study_name(self.folder)


def study_name(folder: Path) -> str:
    """The name under which the study in `folder` is stored."""
    return folder.resolve().name


def study_storage(folder: Path, storage: str | None = None) -> str:
    """The URL of a study's storage: the one given, else that of its last run."""
    return storage_url(folder, storage or recorded_storage(folder))


def read_study(folder: Path, storage: str | None = None) -> StoredStudy:
    """Read all of a study.

    Raises StudyError for a folder without one, or of another version of the tool, and as `all_trials` does.
    """
    spec = read_spec(folder)
    if spec is None:
        raise StudyError(f"there is no study in {folder}; uv run python -m search.list shows all studies")
    return StoredStudy(folder=folder, spec=spec, records=all_trials(folder, storage))


def all_trials(folder: Path, storage: str | None = None) -> list[TrialRecord]:
    """As `read_records`. Raises StudyError where the folder has files of trials and the storage knows no trial."""
    begun = has_trials(folder)  # first: a search that begins now writes to its storage before it writes these files
    records = read_records(folder, storage)
    if begun and not records:
        raise lost_trials(folder, storage)
    return records


def lost_trials(folder: Path, storage: str | None) -> StudyError:
    """The error for a storage that lacks a study whose trials have left files."""
    url = shown_url(study_storage(folder, storage))
    return StudyError(
        f"{folder} holds the files of trials, and the storage {url} knows none of them; give the storage of its search "
        "with --storage, or bring it back"
    )


def read_records(folder: Path, storage: str | None = None) -> list[TrialRecord]:
    """Every trial of the study in `folder`, by number; none where no trial was ever asked for."""
    found = find_stored(folder, storage)
    if found is None:
        return []
    study = optuna.load_study(study_name=found.name, storage=found.storage)
    return all_records(study.get_trials(deepcopy=False), several=len(study.directions) > 1)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Where a study's trials are: an open storage, and the name in it."""

    storage: optuna.storages.BaseStorage
    name: str


def find_stored(folder: Path, storage: str | None = None) -> Stored | None:
    """The trials of the study in `folder`, None where its storage has none yet. Creates nothing.

    The folder's own file is its study's whatever the name: a folder may be renamed, or come from elsewhere.
    """
    url = study_storage(folder, storage)
    own = url == storage_url(folder, None)
    file = storage_file(url)
    if file is not None and not file.is_file():
        return None
    opened = open_storage(url)
    names = optuna.get_all_study_names(storage=opened)
    name = study_name(folder)
    if name not in names and own and len(names) == 1:
        name = names[0]
    return Stored(storage=opened, name=name) if name in names else None
