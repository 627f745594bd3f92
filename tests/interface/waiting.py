"""Waiting for a search in another process."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from search.tuning.reading import read_study

TIMEOUT = 400.0


def wait_for_an_epoch(folder: Path, running: Callable[[], bool]) -> None:
    """Until a trial of the study has reported: the search is then in the middle of something."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline and running():
        if (folder / "spec.yaml").is_file() and any(record.values for record in read_study(folder).records):
            return
        time.sleep(0.2)
    pytest.fail("no epoch was reported")
