"""A study in one line: what it searches, how far it came, when it last ran."""

import fcntl
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from search.errors import StudyError
from search.tuning.folder import LOCK_NAME, read_runs, study_folders
from search.tuning.reading import StoredStudy, read_study
from search.tuning.record import TrialRecord, best_of

KINDS = ("complete", "pruned", "refused", "failed", "running", "to be continued")


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What a list of studies says of one. `problem` says why a study cannot be read; its counts are then empty."""

    name: str
    space: str = ""
    data: str = ""
    counts: Counter[str]
    best: TrialRecord | None = None
    last_run: datetime | None = None
    running: bool = False
    problem: str | None = None


def overviews(results: Path) -> list[Overview]:
    """All studies under `results`, by name. One that cannot be read does not hide the others."""
    return [overview(folder) for folder in study_folders(results)]


def overview(folder: Path) -> Overview:
    """The study in `folder`."""
    try:
        study = read_study(folder)
    except StudyError as error:
        return Overview(name=folder.name, counts=Counter(), problem=str(error).splitlines()[0].rstrip(":"))
    running = search_runs(folder)
    return Overview(
        name=study.name,
        space=study.spec.space,
        data=study.spec.data_name,
        counts=count_kinds(study.records, running=running),
        best=best_of(study.records),
        last_run=last_run(study),
        running=running,
    )


def count_kinds(records: Sequence[TrialRecord], *, running: bool = True) -> Counter[str]:
    """How many trials are complete, pruned, refused, failed (see `TrialRecord.ending`), running, to be continued.

    Where no search is `running`, trials in the state RUNNING are what a killed search left for the next run.
    """
    return Counter(kind_of(record, running=running) for record in records)


def kind_of(record: TrialRecord, *, running: bool) -> str:
    """The kind of a trial, one of `KINDS`."""
    match record.state:
        case "RUNNING" if running:
            return "running"
        case "RUNNING" | "WAITING":
            return "to be continued"
        case _:
            return record.ending


def counts_text(counts: Counter[str]) -> str:
    """Counts in words: `14 (5 complete, 9 pruned)`."""
    words = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])
    return f"{counts.total()} ({words})" if words else "0"


def last_run(study: StoredStudy) -> datetime | None:
    """When the last run of a search started, in local time; the start of its last trial where no run is recorded."""
    runs = read_runs(study.folder)
    if runs and "started" in runs[-1]:
        return datetime.fromisoformat(runs[-1]["started"]).astimezone().replace(tzinfo=None)
    return max((record.started for record in study.records if record.started is not None), default=None)


def search_runs(folder: Path) -> bool:
    """Whether a search of this machine is running on a study's folder now."""
    path = folder / LOCK_NAME
    if not path.is_file():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
