"""`search.answer` from its command line; through Ray it is interrupted, killed, continued, and as that of one run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import PropertyMock

import pytest

from search.answer import main
from search.selection.answer import read_answer
from search.tuning.openings import read_openings
from search.tuning.options import Budget
from tests.commands.studies import Commands
from tests.selection.made_up import answer
from tests.tuning.in_this_process import InThisProcess
from tests.tuning.whole_search import asked, search, write_place

STUDY = Path("results/tiny-tiles")
EPOCHS = 100
TIMEOUT = 200.0


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A study of one trial, made without Ray."""
    place = tmp_path / "place"
    place.mkdir()
    write_place(place)
    search(replace(asked(place, trials=1), budget=Budget(trials=1, max_epochs=EPOCHS)))
    return place


def answering(place: Path) -> "subprocess.Popen[str]":
    options = ["--top-k", "1", "--seeds", "2", "--baselines", "none", "--no-tta", "--concurrency", "1"]
    return subprocess.Popen(
        [sys.executable, "-m", "search.answer", "tiny-tiles", *options],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def test_a_dry_run_starts_nothing_even_where_the_answer_is_there(
    commands: Commands, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `--refit` would train is not trained either."""
    monkeypatch.setattr("search.answer.ForkServer", lambda: nullcontext(InThisProcess()))
    monkeypatch.setattr("search.answer.answer_planned", lambda *_: pytest.fail("something was started"))
    asked_for = ("mars", "--results", results, "--refit", "--dry-run")
    assert commands.run(main, *asked_for) == 0
    assert "trial 0" in commands.out
    assert commands.out.endswith("nothing was started: leave --dry-run out to go on\n")
    given = PropertyMock(return_value=answer())
    monkeypatch.setattr("search.selection.planning.PlannedAnswer.given", given)
    assert commands.run(main, *asked_for) == 0
    assert commands.out.splitlines() == [
        "this answer has been given already; it stays as it is",
        "nothing was started: leave --dry-run out to go on",
    ]
    assert commands.run(main, *asked_for[:-2]) == 0
    assert "answer  ensemble, mIoU 0.6100" in commands.out


@pytest.mark.whole
@pytest.mark.timeout(600)
def test_an_answer_survives_ctrl_c_and_a_kill(place: Path, tmp_path: Path) -> None:
    whole = shutil.copytree(place, tmp_path / "whole")

    with answering(place) as first:
        stop(first, signal.SIGINT, lambda: trained_epochs(place) > 0)
        screen, errors = first.communicate(timeout=TIMEOUT)
    assert (first.returncode, errors) == (130, "")
    assert "2 trainings left; the same command goes on" in screen
    interrupted = trained_epochs(place)
    assert 0 < interrupted < 2 * EPOCHS

    with answering(place) as second:
        stop(second, signal.SIGKILL, lambda: interrupted < trained_epochs(place))
        second.communicate(timeout=TIMEOUT)
    assert read_openings(place / STUDY, None) == []
    assert read_answer(place / STUDY) is None

    assert ended(answering(place)) == ended(answering(whole)) == (0, "")
    assert curves(place) == curves(whole)
    assert [len(curve) for curve in curves(place)] == [EPOCHS, EPOCHS]
    assert len(read_openings(place / STUDY, None)) == 1
    answers = [read_answer(folder / STUDY) for folder in (place, whole)]
    assert None not in answers
    assert answers[0].model_copy(update={"openings": ()}) == answers[1].model_copy(update={"openings": ()})


def stop(process: "subprocess.Popen[str]", how: signal.Signals, when: Callable[[], bool]) -> None:
    """Send a signal as soon as `when` holds."""
    deadline = time.monotonic() + TIMEOUT
    while not when():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"it was not stopped in time: {process.communicate()}")
        time.sleep(0.05)
    process.send_signal(how)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    with process:
        _, errors = process.communicate(timeout=TIMEOUT)
    return process.returncode, errors


def curves(place: Path) -> list[Sequence[tuple[int, float, float]]]:
    """Epoch, validation mIoU and training loss of every training so far."""
    files = sorted((place / STUDY / "answer/trainings").glob("*/reports.json"))
    return [
        [(report["epoch"], report["miou"], report["train_loss"]) for report in json.loads(file.read_text())]
        for file in files
    ]


def trained_epochs(place: Path) -> int:
    return sum(len(curve) for curve in curves(place))
