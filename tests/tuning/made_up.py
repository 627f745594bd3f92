"""A study without training: reports by hand, and a search over fake curves that can be killed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import BaseStorage, InMemoryStorage

from search.training.outcome import EpochReport, NetworkCosts, TrialOutcome
from search.tuning.engine import Engine, RunLimits
from search.tuning.messages import Assignment
from search.tuning.objectives import MIOU_ALONE, Objectives
from search.tuning.record import TrialRecord
from search.tuning.spec import Measured, StudySpec
from search.tuning.storage import open_study, storage_url
from search.tuning.storage import study_in as study_in_storage
from search.tuning.study import TrialStudy
from search.tuning.trial_folder import CHECKPOINT_NAME, WEIGHTS_NAME, read_config
from spaces.config import TrialConfig
from spaces.domains import Branch, Choice, Float, Simplex
from spaces.losses import FocalTerm, LossConfig
from spaces.space import NamedPoint, SearchSpace
from spaces.unet_family import unet_family
from tests.contracts.fake_training import costs, facts, value

POINTS = ("default", "wide", "narrow", "focal")


def small_space() -> SearchSpace:
    """A conditional space of few parameters: each costs a transaction."""
    axes = unet_family(facts()).root
    model = {
        "family": "unet",
        "in_channels": 1,
        "classes": 3,
        "width": Choice((8, 16, 24), default=16),
        "norm": Branch({"batch": {}, "group": {"groups": Choice((4, 8), default=8)}}, default="batch"),
    }
    loss = Simplex({"focal": {"gamma": Float(0.5, 4.0, default=2.0)}, "cross_entropy": {}}, default={"focal": 1.0})
    optimizer = {"learning_rate": Float(1e-4, 1e-2, default=1e-3, log=True)}
    space = SearchSpace(
        name="small", root={**axes, "model": model, "loss": loss, "optimizer": optimizer, "augment": {}}
    )
    default, focal = space.default, LossConfig(focal=FocalTerm(weight=1.0, gamma=1.0))
    changes = {"wide": {"model": {"width": 24}}, "narrow": {"model": {"width": 8}}}
    configs = {name: _changed(default, change) for name, change in changes.items()}
    configs["focal"] = default.model_copy(update={"loss": focal})
    return replace(space, points={name: NamedPoint(config=config, note="") for name, config in configs.items()})


def _changed(config: TrialConfig, change: dict[str, dict[str, int]]) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            part: {**values, **change.get(part, {})} if isinstance(values, dict) else values
            for part, values in config.model_dump().items()
        }
    )


SPACE = small_space()


def measured(**changes: Any) -> Measured:
    values = {
        "precision": "float32",
        "concurrency": 1,
        "seconds_per_epoch": 0.01,
        "default_macs": 1,
        "default_parameters": 1,
        "max_macs": None,
        "expected_trials": 12,
        "fitting_points": POINTS,
    }
    return Measured.model_validate({**values, **changes})


def spec(**changes: Any) -> StudySpec:
    values = {
        "space": "small",
        "space_fingerprint": "s",
        "data_name": "fake",
        "data_fingerprint": "d",
        "split_fingerprint": "p",
        "seed": 0,
        "max_epochs": 9,
        "grace_epochs": 1,
        "reduction_factor": 3,
        "patience": 9,
        "max_params": None,
        "max_macs": None,
        "warm_start": True,
        "pretrained": "none",
        "facts": facts(),
        "measured": measured(),
    }
    return StudySpec.model_validate({**values, **changes})


def study_in(folder: Path, objectives: Objectives = MIOU_ALONE) -> TrialStudy:
    return open_study(storage_url(folder, None), "test", objectives)


def report(epoch: int, miou: float, costs: NetworkCosts | None = None) -> EpochReport:
    values = {"train_loss": 1.0, "learning_rate": 0.1, "seconds": 2.0, "threads": 1, "costs": costs}
    return EpochReport.model_validate({"epoch": epoch, "miou": miou, "class_iou": (miou,), "readings": {}, **values})


def study_on(storage: BaseStorage, objectives: Objectives = MIOU_ALONE) -> TrialStudy:
    return study_in_storage(storage, "test", objectives)


def engine_in(
    folder: Path, *, trials: int | None, keep: int = 3, deadline: float | None = None, **changes: Any
) -> Engine:
    limits = RunLimits(trials=trials, deadline=deadline, keep=keep)
    return engine_on(study_in(folder, changes.get("objectives", MIOU_ALONE)), folder, limits, **changes)


def engine_on(study: TrialStudy, folder: Path, limits: RunLimits, **changes: Any) -> Engine:
    study.release_all()
    return Engine(study, SPACE, spec(**changes), folder, limits)


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs, not even an `except Exception`."""


Kill = Callable[[], None]


def search(
    storage: BaseStorage,
    folder: Path,
    *,
    trials: int,
    kill: Kill = lambda: None,
    objectives: Objectives = MIOU_ALONE,
) -> None:
    """A local search with fake curves; `kill` is called wherever a process could end between two writes of ours."""
    limits = RunLimits(trials=trials, deadline=None, keep=3)
    engine = engine_on(study_on(storage, objectives), folder, limits, objectives=objectives)
    while (assignment := engine.next_trial()) is not None:
        kill()
        _train(engine, assignment, kill)


def _train(engine: Engine, assignment: Assignment, kill: Kill) -> None:
    folder = Path(assignment.folder)
    config = read_config(folder)
    checkpoint = folder / CHECKPOINT_NAME
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for epoch in range(min(done, assignment.known_epochs) + 1, config.budget.max_epochs + 1):
        (folder / WEIGHTS_NAME).write_text(str(epoch))
        checkpoint.write_text(str(epoch))
        kill()
        told_costs = costs(config) if epoch == 1 else None
        goes_on = engine.receive(assignment.number, report(epoch, value(config, epoch), told_costs))
        kill()
        if not goes_on:
            return
    engine.receive(assignment.number, TrialOutcome(kind="trained"))
    kill()


def dying(at: Callable[[int], bool]) -> Kill:
    """Kills at those of its calls, counted from 0, that `at` picks."""
    calls = iter(range(10_000))

    def kill() -> None:
        if at(next(calls)):
            raise Killed

    return kill


def search_to_its_end(
    storage: InMemoryStorage,
    folder: Path,
    kill: Kill = lambda: None,
    *,
    trials: int,
    objectives: Objectives = MIOU_ALONE,
) -> int:
    """Search again after each kill; how often it was killed."""
    for death in range(200):
        try:
            search(storage, folder, trials=trials, kill=kill, objectives=objectives)
        except Killed:
            continue
        return death
    pytest.fail("the search made no progress")


def killed_around(monkeypatch: pytest.MonkeyPatch, method: str, *, done: bool) -> None:
    """Let every third call of a method of TrialStudy end the process, before it or when it is `done`."""
    original = getattr(TrialStudy, method)
    calls = iter(range(10_000))

    def killed(self, *args, **options):
        deadly = next(calls) % 3 == 1
        if deadly and not done:
            raise Killed
        result = original(self, *args, **options)
        if deadly:
            raise Killed
        return result

    monkeypatch.setattr(TrialStudy, method, killed)


def told(records: list[TrialRecord]) -> list[tuple]:
    """What must not depend on how often a search was killed."""
    return [
        (
            *(r.number, r.state, r.params, r.values, [entry["epoch"] for entry in r.curve]),
            *(r.costs, r.point, r.sampled_by, r.reason),
        )
        for r in records
    ]
