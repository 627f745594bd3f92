"""Searches with a trainer that does not train, by either executor."""

import logging
from collections.abc import Callable
from pathlib import Path

import optuna

from search.tuning.engine import Engine, RunLimits
from search.tuning.fork_server import ForkServer
from search.tuning.local import run_local
from search.tuning.ray.executor import run_ray
from search.tuning.record import TrialRecord
from search.tuning.resources import Resources
from search.tuning.runner import Worker
from search.tuning.spec import StudySpec
from search.tuning.storage import open_study, storage_url
from spaces.unet_family import unet_family
from tests.contracts import fake_training
from tests.tuning import made_up

optuna.logging.set_verbosity(logging.WARNING)

RESOURCES = Resources(concurrency=2, threads=1, gpus=0, gpus_per_trial=0.0)

Run = Callable[[Engine, Worker, Path], None]


def run_locally(engine: Engine, worker: Worker, folder: Path) -> None:
    run_local(engine, worker)


def run_in_ray(engine: Engine, worker: Worker, folder: Path) -> None:
    with ForkServer(modules=()) as server:
        run_ray(engine, worker, RESOURCES, folder / "search.log", server)


FITTING = ("default", "report001_unet", "report000_base", "report000_focal")
SPEC = made_up.spec(space="unet_family", facts=fake_training.facts(), measured=made_up.measured(fitting_points=FITTING))
LATE_RUNGS = SPEC.model_copy(update={"grace_epochs": 3})


def search(
    folder: Path, run: Run, *, trials: int, check=fake_training.admit, spec: StudySpec = SPEC
) -> list[TrialRecord]:
    study = open_study(storage_url(folder, None), "test", spec.objectives)
    study.release_all()
    limits = RunLimits(trials=trials, deadline=None, keep=3)
    engine = Engine(study, unet_family(fake_training.facts()), spec, folder, limits)
    meter = fake_training.measure if len(spec.objectives) > 1 else None
    worker = Worker(data=fake_training.data(), trainer=fake_training.train, check=check, threads=1, meter=meter)
    run(engine, worker, folder)
    return open_study(storage_url(folder, None), "test", spec.objectives).records()
