"""One run of a search, from its plan to its result.

All that a later command needs is in the study's folder before the first trial starts.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from optuna.exceptions import StorageInternalError

from search.errors import StudyError
from search.files import is_unwritable, write_whole
from search.training.loop_entry import costs_in_worker, train_in_worker
from search.tuning.best import best_config, data_identity
from search.tuning.engine import Engine, RunLimits, count_tried
from search.tuning.executors import run_trials
from search.tuning.folder import (
    AUDIT_NAME,
    BEST_NAME,
    LOG_NAME,
    SPLIT_NAME,
    append_run,
    create_folder,
    locked,
    recorded_storage,
    study_folder,
    unwritable,
)
from search.tuning.fork_server import ForkServer
from search.tuning.limits import CostLimits
from search.tuning.objectives import costs_of
from search.tuning.options import RunOptions
from search.tuning.plan import Plan
from search.tuning.reading import find_stored, study_storage
from search.tuning.record import TrialRecord, best_of
from search.tuning.resources import Resources
from search.tuning.runner import CostMeter, Worker
from search.tuning.spec import StudySpec, read_spec
from search.tuning.storage import absolute_url, open_study
from search.tuning.study import TrialStudy
from search.tuning.trial_folder import has_trials
from search.tuning.weights import keep_best_weights

Display = Callable[[Engine, StudySpec, RunLimits, list[TrialRecord]], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run leaves: all trials of the study, and whether and why trials still wait."""

    records: list[TrialRecord]
    finished: bool
    interrupted: bool
    seconds: float

    @property
    def best(self) -> TrialRecord | None:
        """The trial with the best validation mIoU."""
        return best_of(self.records)


def run(planned: Plan, display: Display, server: ForkServer) -> Result:
    """Write the study's files, run trials until a limit or Ctrl-C, and write `best.yaml`."""
    started = time.monotonic()
    folder, options = planned.folder, planned.options
    create_folder(folder)
    with locked(folder), told_if_unwritable(folder), logged_to(folder / LOG_NAME):
        study = open_planned_study(planned)  # first: a study that is refused leaves no spec behind
        write_files(planned)
        study.set_identity(planned.spec.identity_hash)
        study.release_all()
        records = study.records()
        keep_best_weights(folder, records, keep=options.execution.keep, objectives=planned.spec.objectives)
        budget = options.time_budget
        limits = RunLimits(
            trials=options.budget.trials,
            deadline=None if budget is None else started + budget,
            keep=options.execution.keep,
        )
        engine = Engine(study, planned.space, planned.spec, folder, limits)
        interrupted = False
        with display(engine, planned.spec, limits, records), terminable():
            try:
                interrupted = execute(planned, engine, server)
            except KeyboardInterrupt:
                interrupted = True
        write_best(planned, study.records())
        records = study.records()
        return Result(
            records=records,
            finished=limits.trials is not None and not study.waiting() and count_tried(records) >= limits.trials,
            interrupted=interrupted,
            seconds=time.monotonic() - started,
        )


@contextmanager
def told_if_unwritable(folder: Path) -> Iterator[None]:
    """Turn a full disk, and what else makes the folder or the storage unwritable, into a StudyError."""
    try:
        yield
    except (OSError, StorageInternalError) as error:
        if isinstance(error, OSError) and not is_unwritable(error):
            raise
        raise unwritable(folder, error) from error


@contextmanager
def terminable() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, where signals can be handled at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def ray_beforehand(options: RunOptions, resources: Resources) -> AbstractContextManager[None]:
    """Ray, for a study that begins: it starts while torch is imported, and before anything is measured.

    For a study that goes on, `execute` starts it, where there is something to run.
    """
    folder = study_folder(options.what.results, options.study_name)
    if options.execution.dry_run or options.execution.executor == "local" or read_spec(folder) is not None:
        return nullcontext()
    from search.tuning.ray.environment import local_cluster

    return local_cluster(cpus=resources.cores, gpus=resources.gpus, log=folder / LOG_NAME)


def execute(planned: Plan, engine: Engine, server: ForkServer) -> bool:
    """Run the engine's trials with the executor asked for; whether the user interrupted."""
    if not engine.wants_more():
        return False
    spec = planned.spec
    limits = CostLimits(
        max_params=spec.max_params,
        max_macs=spec.macs_limit,
        height=spec.facts.height,
        width=spec.facts.width,
        initial_weights=planned.prepared.trial.initial_weights,
    )
    worker = Worker(
        data=planned.prepared.trial,
        trainer=train_in_worker,
        check=limits.refuse,
        threads=planned.resources.threads,
        pictures_every=planned.options.execution.pictures or 0,
        meter=meter_of(spec),
    )
    return run_trials(
        engine,
        worker,
        executor=planned.options.execution.executor,
        resources=planned.resources,
        log=planned.folder / LOG_NAME,
        server=server,
    )


def meter_of(spec: StudySpec) -> CostMeter | None:
    """What measures a network before it trains, where the search looks at costs."""
    if not costs_of(spec.objectives):
        return None
    return partial(costs_in_worker, latency="latency" in spec.objectives)


def write_files(planned: Plan) -> None:
    """Write what the study is before its first trial, and record this run's options."""
    folder, options = planned.folder, planned.options
    if not planned.continued:
        planned.prepared.split.write(folder / SPLIT_NAME)
        (folder / AUDIT_NAME).write_text(planned.prepared.audit.to_json())
        planned.spec.write(folder)
    entry = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": str(options.what.data) if options.what.data is not None else None,
        "pretrained": options.what.pretrained,
        "storage": absolute_url(options.what.storage) if options.what.storage else recorded_storage(folder),
        "trials": options.budget.trials,
        "time_budget": options.time_budget,
        "executor": options.execution.executor,
        "concurrency": planned.resources.concurrency,
        "threads": planned.resources.threads,
        "gpus_per_trial": planned.resources.gpus_per_trial,
        "pictures": options.execution.pictures,
        "track": list(options.execution.track),
    }
    append_run(folder, entry)


def open_planned_study(planned: Plan) -> TrialStudy:
    """The Optuna study. Raises StudyError where its storage holds another one of that name, or none of its trials."""
    folder, name = planned.folder, planned.folder.name
    url = study_storage(folder, planned.options.what.storage)
    stored = find_stored(folder, planned.options.what.storage)
    study = open_study(url, stored.name if stored else name, planned.spec.objectives)
    empty = study.identity is None and study.count() == 0
    if not empty and study.identity != planned.spec.identity_hash:
        raise StudyError(f"the storage already holds another study named {name!r}; choose another --study name")
    if empty and planned.continued and url != study_storage(folder):
        raise StudyError(
            f"the trials of {name!r} are in the storage of its last run, and the one asked for has none of them; "
            "leave out --storage, or use another --study name"
        )
    if empty and has_trials(folder):
        raise StudyError(
            f"{folder} holds the files of trials that its storage does not know; bring the storage back, or use "
            "another --study name"
        )
    return study


def write_best(planned: Plan, records: list[TrialRecord]) -> None:
    """Write `best.yaml`, if any trial has trained."""
    best = best_of(records)
    if best is not None:
        data = data_identity(planned.spec.data_name, planned.prepared)
        write_whole(planned.folder / BEST_NAME, best_config(planned.folder.name, best, data).to_yaml())


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Send what libraries log to the study's log while the block runs."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
