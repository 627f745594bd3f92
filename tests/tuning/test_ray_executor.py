"""What it means that Ray Tune returns."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from search.tuning.ray import executor
from search.tuning.resources import Resources
from search.tuning.runner import Worker
from tests.contracts import fake_training
from tests.tuning.made_up import engine_in

WORKER = Worker(data=fake_training.data(), trainer=fake_training.train, check=fake_training.admit, threads=1)
RESOURCES = Resources(concurrency=1, threads=1, gpus=0, gpus_per_trial=0.0)


def test_a_return_before_the_searcher_was_finished_is_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray only notes a Ctrl-C: between two trials, none is running when it returns."""
    calls = []
    monkeypatch.setattr(executor, "local_cluster", lambda **_: nullcontext())
    monkeypatch.setattr(executor, "_tune_run", lambda *arguments: calls.append(arguments))
    assert executor.run_ray(engine_in(tmp_path, trials=3), WORKER, RESOURCES, tmp_path / "search.log")
    assert len(calls) == 1
