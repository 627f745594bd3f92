"""How long a search takes to its first training step, and a worker from one trial to the next."""

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
        command = [
            sys.executable,
            "-m",
            "search.run",
            "--space",
            "unet_family",
            "--results",
            folder,
            "--study",
            "start",
        ]
        command += ["--trials", str(TRIALS), "--max-epochs", "1", "--concurrency", "1"]
        command += [] if data is None else ["--data", str(data)]
        started = time.time()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        trials = optuna.load_study(study_name="start", storage=f"sqlite:///{folder}/start/study.db").get_trials()
    trained = sorted((trial for trial in trials if trial.intermediate_values), key=lambda trial: trial.number)
    ends = [_moment(trial.datetime_complete) for trial in trained]
    begins = [end - trial.user_attrs[CURVE][0]["seconds"] for end, trial in zip(ends, trained, strict=True)]
    gaps = [begin - end for begin, end in zip(begins[1:], ends[:-1], strict=True)]
    return StartUp(to_first_step=begins[0] - started, between_trials=statistics.median(gaps))


def _moment(time_of_day: datetime | None) -> float:
    assert time_of_day is not None, "a trial that trained to its end has one"
    return time_of_day.timestamp()
