"""Opening the storage of a study: SQLite in its folder by default, any SQLAlchemy URL, or Optuna's journal file."""

import re
import sqlite3
import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages.journal import JournalFileBackend

from search.errors import StudyError
from search.tuning.objectives import MIOU_ALONE, UNITS, Objectives, costs_of
from search.tuning.study import TrialStudy

DATABASE_NAME = "study.db"
BUSY_SECONDS = 60.0
"""How long one process waits for another that writes to the same SQLite file."""

_IN_FILE = re.compile(r"(journal://|sqlite(?:\+\w+)?:///)(?!:memory:|file:)((?<=journal://).+|[^?]+)(.*)")
"""The URL of a storage that is a file, around its path; in SQLite's a question mark ends the path."""

# Optuna prints to stderr unless told otherwise; what it says belongs into the log of a search, if there is one.
optuna.logging.disable_default_handler()
optuna.logging.enable_propagation()


def storage_url(folder: Path, url: str | None) -> str:
    """The URL asked for, by `absolute_url`, else that of the SQLite file in the study's folder."""
    return absolute_url(url) if url else f"sqlite:///{(folder / DATABASE_NAME).resolve()}"


def absolute_url(url: str) -> str:
    """The URL of the same storage in whatever folder a later command is started: a file's path from the root."""
    return _IN_FILE.sub(lambda match: f"{match[1]}{Path(match[2]).absolute()}{match[3]}", url)


def storage_file(url: str) -> Path | None:
    """The file that holds an SQLite or journal storage, None for a storage of another kind."""
    match = _IN_FILE.fullmatch(url)
    return Path(match[2]) if match else None


def open_storage(url: str) -> optuna.storages.BaseStorage:
    """The storage behind `sqlite:///...`, `postgresql+psycopg://...`, `journal:///PATH`. Raises StudyError."""
    try:
        return _storage(url)
    except ImportError as error:
        raise StudyError(
            f"the storage {shown_url(url)} needs a driver that is not installed; for PostgreSQL start the command with "
            "uv run --extra postgresql"
        ) from error
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise StudyError(
            f"the storage {shown_url(url)} cannot be opened: {reason}\n"
            "A storage is an SQLAlchemy URL such as sqlite:///study.db or postgresql+psycopg://user@host/database"
        ) from error


def shown_url(url: str) -> str:
    """A storage URL as messages name it: without user, password and query."""
    if url.startswith(("sqlite", "journal")):
        return url
    scheme, separator, _ = url.partition("://")
    place = url.rpartition("@")[2].partition("?")[0]
    return scheme + separator + place if separator and "@" in url else place


def open_study(url: str, name: str, objectives: Objectives = MIOU_ALONE) -> TrialStudy:
    """The study `name` in a storage, created where it does not exist. Raises StudyError for other objectives."""
    return study_in(open_storage(url), name, objectives)


def study_in(storage: optuna.storages.BaseStorage, name: str, objectives: Objectives = MIOU_ALONE) -> TrialStudy:
    """As `open_study`, in a storage that is open."""
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        directions=["maximize", *("minimize" for _ in costs_of(objectives))],
        load_if_exists=True,
        pruner=optuna.pruners.NopPruner(),  # pruning is decided in search.tuning.asha, where it can be replayed
    )
    if len(study.directions) != len(objectives):
        raise StudyError(f"the storage already holds another study named {name!r}; choose another --study name")
    if len(objectives) > 1:
        _name_objectives(study, objectives)
    return TrialStudy(study, study._storage, objectives)


def _name_objectives(study: optuna.Study, objectives: Objectives) -> None:
    """Tell the dashboard what the values of a trial are."""
    names = [UNITS[objective] for objective in objectives]
    if study.metric_names == names:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of set_metric_names in Optuna 5
        study.set_metric_names(names)


def delete_study(url: str, name: str) -> None:
    """Remove the study `name` from its storage, if both are there."""
    file = storage_file(url)
    if file is not None and not file.is_file():
        return
    storage = open_storage(url)
    if name in (summary.study_name for summary in storage.get_all_studies()):
        optuna.delete_study(study_name=name, storage=storage)


def _storage(url: str) -> optuna.storages.BaseStorage:
    if url.startswith("journal://"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return optuna.storages.JournalStorage(JournalFileBackend(url.removeprefix("journal://")))
    if url.startswith("sqlite"):
        connection = {"factory": _SQLiteConnection, "timeout": BUSY_SECONDS}
        return optuna.storages.get_storage(optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": connection}))
    return optuna.storages.get_storage(url)


class _SQLiteConnection(sqlite3.Connection):
    """A connection that appends to a write-ahead log.

    A trial is some 50 commits, one a parameter: waiting for the disk at each took longer than drawing them. What a
    killed process has committed is kept; a power failure may cost the last commits and leaves the rest whole. Readers
    and the search do not wait for each other. Where the file system has no such log, SQLite stays as it was.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = NORMAL")
