"""A search through Ray, as a user runs it: ended by SIGTERM, then continued, and finished, without Ray."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from search.data.dataset import SegmentationData
from search.tuning.reading import read_study
from tests.commands.tiles import write_tiles

SPACE = """
from spaces.domains import Choice
from spaces.space import SearchSpace

def tiny(facts):
    return SearchSpace(name="tiny", root={
        "model": {"family": "unet", "in_channels": facts.channels, "classes": facts.classes, "depth": 2,
                  "width": Choice((2, 3, 4, 5), default=4), "convs": 1},
        "loss": {"cross_entropy": {"weight": 1.0}},
        "optimizer": {"batch_size": 8, "warmup_epochs": 0},
        "augment": {"strength": Choice((0.5, 1.0, 1.5), default=1.0)},
    })
"""
TIMEOUT = 150.0


@pytest.fixture
def command(demo: SegmentationData, tmp_path: Path) -> list[str]:
    (tmp_path / "own.py").write_text(SPACE)
    write_tiles(tmp_path / "tiles.npz", demo, count=40)
    options = ["--space", f"{tmp_path / 'own.py'}:tiny", "--data", str(tmp_path / "tiles.npz")]
    limits = ["--trials", "3", "--max-epochs", "12", "--concurrency", "1", "--study", "mine"]
    return [sys.executable, "-m", "search.run", *options, *limits, "--results", str(tmp_path / "results")]


@pytest.mark.whole
def test_sigterm_leaves_a_study_that_can_be_finished(command: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as first:
        try:
            wait_for_an_epoch(tmp_path / "results" / "mine", first)
            first.send_signal(signal.SIGTERM)
            screen, errors = first.communicate(timeout=TIMEOUT)
        finally:
            first.kill()
    assert (first.returncode, errors) == (130, "")
    assert "# continue this search" in screen
    study = read_study(tmp_path / "results" / "mine")
    assert not [record for record in study.records if record.state == "RUNNING"]
    assert [record.state for record in study.records].count("WAITING") >= 1
    assert (study.folder / "best.yaml").is_file()

    known = {record.number: record.values for record in study.records}
    local = [*command, "--executor", "local"]
    done = subprocess.run(local, capture_output=True, text=True, timeout=TIMEOUT, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    finished = read_study(study.folder).records
    assert len(finished) == 3
    assert {record.state for record in finished} <= {"COMPLETE", "PRUNED"}
    for number, values in known.items():
        assert finished[number].values.items() >= values.items()
    assert all(list(record.values) == list(range(1, record.epochs + 1)) for record in finished)
    assert "# take the best" in done.stdout


def wait_for_an_epoch(folder: Path, process: subprocess.Popen) -> None:
    """Until a trial of the study has reported: the search is then in the middle of something."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "spec.yaml").is_file() and any(record.values for record in read_study(folder).records):
            return
        time.sleep(0.2)
    pytest.fail("no epoch was reported")
