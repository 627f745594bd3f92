"""What a tracker has been told already: a few words for each epoch, beside the study.

A search that goes on, days later, must neither repeat an epoch nor leave one out, and not every tracker can be asked.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from search.tracking.tracker import Opened


class Journal:
    """The journal of one tracker, a line of JSON for each thing told. Raises OSError where it cannot be written."""

    def __init__(self, path: Path, place: str) -> None:
        """Read what was told to `place`; of another place nothing is known, and the journal begins anew."""
        self.study: str | None = None
        self._path = path
        self._runs: dict[int, str] = {}
        self._epochs: dict[int, int] = {}
        self._ended: set[int] = set()
        entries = _read(path)
        if entries[:1] == [{"place": place}]:
            for entry in entries[1:]:
                self._apply(entry)
            if not path.read_text().endswith("\n"):
                path.write_text(path.read_text() + "\n")  # what follows a torn line stands on its own
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"place": place}) + "\n")

    def known(self, number: int) -> Opened | None:
        """The run of a trial, and its last epoch; None where nothing was told of it."""
        run = self._runs.get(number)
        return None if run is None else Opened(run, self._epochs.get(number, 0))

    def has_ended(self, number: int, epochs: int) -> bool:
        """Whether a trial was told to its end, after that many epochs."""
        return number in self._ended and self._epochs.get(number, 0) >= epochs

    def began(self, study: str) -> None:
        """The study was begun as `study`."""
        if self.study != study:
            self._write({"study": study})

    def opened(self, number: int, opened: Opened) -> None:
        """A run was begun or gone on with."""
        self._write({"trial": number, "run": opened.run, "epoch": opened.epochs})

    def logged(self, number: int, epoch: int) -> None:
        """An epoch was told."""
        self._write({"trial": number, "epoch": epoch})

    def ended(self, number: int) -> None:
        """A trial was told to its end."""
        self._write({"trial": number, "ended": True})

    def _write(self, entry: dict[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        self._apply(entry)

    def _apply(self, entry: dict[str, Any]) -> None:
        if "study" in entry:
            self.study = entry["study"]
            return
        number = entry["trial"]
        if "run" in entry:
            self._runs[number] = entry["run"]
            self._ended.discard(number)
        if "epoch" in entry:
            self._epochs[number] = entry["epoch"]
        if "ended" in entry:
            self._ended.add(number)


def _read(path: Path) -> list[dict[str, Any]]:
    """The entries of a journal, without lines that a kill has torn."""
    entries = []
    with suppress(FileNotFoundError):
        for line in path.read_text().splitlines():
            with suppress(json.JSONDecodeError):
                entries.append(json.loads(line))
    return entries
