"""How long a search takes to its first training step, and a worker from one trial to the next.

The second search is measured: the first one leaves compiled modules behind, and files in the system's cache.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import optuna

from search.tuning.record import CURVE

TRIALS = 8


@dataclass(frozen=True, kw_only=True)
class StartUp:
    """Seconds from the command to the first training step, and between trials of one worker (median)."""

    to_first_step: float
    between_trials: float


def measure_start_up(data: Path | None) -> StartUp:
    """Run a search of trials of one epoch, one after the other, and read its study: when each trial began to train.

    A trial of one epoch ends with its report, whose seconds are those of training and validation.
    """
    with tempfile.TemporaryDirectory() as folder:
        _search(data, folder, "before", trials=1)
        started = time.time()
        _search(data, folder, "start", trials=TRIALS)
        trials = optuna.load_study(study_name="start", storage=f"sqlite:///{folder}/start/study.db").get_trials()
    trained = sorted((trial for trial in trials if trial.intermediate_values), key=lambda trial: trial.number)
    ends = [_moment(trial.datetime_complete) for trial in trained]
    begins = [end - trial.user_attrs[CURVE][0]["seconds"] for end, trial in zip(ends, trained, strict=True)]
    gaps = [begin - end for begin, end in zip(begins[1:], ends[:-1], strict=True)]
    return StartUp(to_first_step=begins[0] - started, between_trials=statistics.median(gaps))


def _search(data: Path | None, results: str, study: str, *, trials: int) -> None:
    command = [sys.executable, "-m", "search.run", "--space", "unet_family", "--results", results, "--study", study]
    command += ["--trials", str(trials), "--max-epochs", "1", "--concurrency", "1"]
    command += [] if data is None else ["--data", str(data)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def _moment(time_of_day: datetime | None) -> float:
    assert time_of_day is not None, "a trial that trained to its end has one"
    return time_of_day.timestamp()
