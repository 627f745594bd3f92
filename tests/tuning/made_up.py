"""A study without training: reports by hand, and a search over fake curves that can be killed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from search.training.outcome import EpochReport, TrialOutcome
from search.tuning.engine import Engine, RunLimits
from search.tuning.messages import Assignment
from search.tuning.record import TrialRecord
from search.tuning.spec import Measured, StudySpec
from search.tuning.storage import open_study, storage_url
from search.tuning.study import TrialStudy
from search.tuning.trial_folder import CHECKPOINT_NAME, WEIGHTS_NAME, read_config
from spaces.unet_family import unet_family
from tests.contracts.fake_training import facts, value

SPACE = unet_family(facts())
POINTS = ("default", "report001_unet", "report000_base", "report000_focal")
NEVER = -1


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
        "space": "unet_family",
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
        "facts": facts(),
        "measured": measured(),
    }
    return StudySpec.model_validate({**values, **changes})


def study_in(folder: Path) -> TrialStudy:
    return open_study(storage_url(folder, None), "test")


def report(epoch: int, miou: float) -> EpochReport:
    return EpochReport(
        epoch=epoch, miou=miou, class_iou=(miou,), readings={}, train_loss=1.0, learning_rate=0.1, seconds=2.0
    )


def engine_in(folder: Path, *, trials: int | None, keep: int = 3, deadline: float | None = None, **spec_: Any) -> Engine:
    study = study_in(folder)
    study.release_all()
    return Engine(study, SPACE, spec(**spec_), folder, RunLimits(trials=trials, deadline=deadline, keep=keep))


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs, not even an `except Exception`."""


Kill = Callable[[], None]


def search(folder: Path, *, trials: int, kill: Kill = lambda: None) -> None:
    """A local search with fake curves; `kill` is called wherever a process could end between two writes of ours."""
    engine = engine_in(folder, trials=trials)
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
        goes_on = engine.receive(assignment.number, report(epoch, value(config, epoch)))
        kill()
        if not goes_on:
            return
    engine.receive(assignment.number, TrialOutcome(kind="trained"))
    kill()


def told(records: list[TrialRecord]) -> list[tuple]:
    """What must not depend on how often a search was killed."""
    return [
        (r.number, r.state, r.params, r.values, [entry["epoch"] for entry in r.curve], r.point, r.sampled_by, r.reason)
        for r in records
    ]
