"""The folder of a study: where it is, what its files are called, who may write to it."""

import fcntl
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from search.errors import StudyError
from search.tuning.spec import FILE_NAME as SPEC_NAME

DEFAULT_RESULTS = Path("results")
RUNS_NAME = "runs.jsonl"
LOG_NAME = "search.log"
SPLIT_NAME = "split.csv"
AUDIT_NAME = "audit.json"
BEST_NAME = "best.yaml"
LOCK_NAME = ".lock"
ARTIFACTS_NAME, TRACKING_NAME = "artifacts", "tracking"
"""What the dashboard draws and is given, and what `--track` writes."""
REPORT_NAME = "report.html"
MEASURED_NAME = "report.json"

_STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def study_folder(results: Path, name: str) -> Path:
    """Where the study `name` is or will be. Raises StudyError for a name that is not a plain folder name."""
    if not _STUDY_NAME.fullmatch(name):
        raise StudyError(
            f"a study's name is made of letters, digits, '.', '_' and '-' and begins with a letter or digit, got "
            f"{name!r}; choose another --study name, and the place with --results"
        )
    return results / name


def find_study(study: str, results: Path = DEFAULT_RESULTS) -> Path:
    """The folder of an existing study, given as a folder or as a name under `results`. Raises StudyError."""
    for folder in (Path(study), results / study):
        if (folder / SPEC_NAME).is_file():
            return folder
    known = [folder.name for folder in study_folders(results)]
    listing = f"studies under {results}: {', '.join(known)}" if known else f"there are no studies under {results}"
    raise StudyError(f"there is no study {study!r}; {listing}")


def study_folders(results: Path) -> list[Path]:
    """The folders of all studies under `results`, by name."""
    return sorted(path.parent for path in results.glob(f"*/{SPEC_NAME}"))


def create_folder(folder: Path) -> None:
    """Make the study's folder. Raises StudyError where it cannot be written."""
    try:
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_bytes(b"0" * 65536)
        probe.unlink()
    except OSError as error:
        raise StudyError(
            f"the study's folder {folder} cannot be written: {error.strerror}; choose another place with --results"
        ) from error


def unwritable(folder: Path, reason: object) -> StudyError:
    """The error for a full disk, and for a folder or storage that can no longer be written."""
    return StudyError(
        f"{folder} or its storage cannot be written: {reason}\n"
        "What was told so far is kept: make room, or mend the storage, and give the same command again"
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the study's folder for one search. Raises StudyError where another search of this machine holds it."""
    try:
        file = (folder / LOCK_NAME).open("w")
    except OSError as error:
        raise unwritable(folder, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StudyError(f"another search is running on {folder}; wait for it, or use another --study") from error
        yield


def append_run(folder: Path, options: dict[str, Any]) -> None:
    """Record the options of one run of the search."""
    with (folder / RUNS_NAME).open("a") as file:
        file.write("\n" * _is_torn(folder / RUNS_NAME) + json.dumps(options) + "\n")


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """The options of every run, oldest first. A line that a kill or a full disk has torn is left out."""
    path = folder / RUNS_NAME
    if not path.is_file():
        return []
    runs = []
    for line in path.read_text().splitlines():
        with suppress(json.JSONDecodeError):
            runs.append(json.loads(line))
    return runs


def recorded_storage(folder: Path) -> str | None:
    """The storage URL of the study's last run, None for the SQLite file in its folder."""
    runs = read_runs(folder)
    return runs[-1].get("storage") if runs else None


def _is_torn(path: Path) -> bool:
    """Whether the last line of a file is not ended."""
    content = path.read_bytes()
    return bool(content) and not content.endswith(b"\n")
