"""What it means that Ray Tune returns."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from search.errors import StudyError
from search.tuning.ray import executor
from search.tuning.ray.adapters import SourceLink
from search.tuning.resources import Resources
from search.tuning.runner import Worker
from tests.contracts import fake_training
from tests.tuning.made_up import engine_in

WORKER = Worker(data=fake_training.data(), trainer=fake_training.train, check=fake_training.admit, threads=1)
RESOURCES = Resources(concurrency=1, threads=1, gpus=0, gpus_per_trial=0.0)


class Server:
    """Stands for a fork server that nothing is forked of."""

    address, alive = "socket", True

    def share(self, value: object) -> str:
        return "file"


def answer(monkeypatch: pytest.MonkeyPatch, *answers: Exception | None) -> list[object]:
    """Stand in for Ray Tune: each run ends with the next of `answers`, or raises; the links it was given."""
    links: list[object] = []
    left = iter(answers)

    def tune_run(link: object, *_: object) -> None:
        links.append(link)
        if (error := next(left)) is not None:
            raise error

    monkeypatch.setattr(executor, "local_cluster", lambda **_: nullcontext())
    monkeypatch.setattr(executor, "_tune_run", tune_run)
    return links


def test_a_return_before_the_searcher_was_finished_is_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray only notes a Ctrl-C: between two trials, none is running when it returns."""
    links = answer(monkeypatch, None)
    assert executor.run_ray(engine_in(tmp_path, trials=3), WORKER, RESOURCES, tmp_path / "search.log", Server())
    assert len(links) == 1


def test_an_error_of_ray_does_not_hide_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(link: SourceLink, *_: object) -> None:
        link.fail(StudyError("the disk is full"))
        raise RuntimeError("an actor died")

    answer(monkeypatch)
    monkeypatch.setattr(executor, "_tune_run", full)
    with pytest.raises(StudyError, match="the disk is full"):
        executor.run_ray(engine_in(tmp_path, trials=3), WORKER, RESOURCES, tmp_path / "search.log", Server())


def test_ray_is_started_again_after_errors_of_its_own_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = answer(monkeypatch, *(RuntimeError(f"{count}") for count in range(9)))
    with pytest.raises(RuntimeError, match=str(executor.MAX_RESTARTS)):
        executor.run_ray(engine_in(tmp_path, trials=3), WORKER, RESOURCES, tmp_path / "search.log", Server())
    assert len(links) == 1 + executor.MAX_RESTARTS
