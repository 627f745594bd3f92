"""Searches with the fake trainer while trackers listen."""

from pathlib import Path

from search.tracking.feed import Build, tracked
from search.tuning.engine import RunLimits
from search.tuning.events import Event, Notice
from search.tuning.local import run_local
from search.tuning.record import TrialRecord
from search.tuning.runner import Worker
from tests.contracts import fake_training
from tests.tuning.made_up import engine_on, spec, study_in


def search(folder: Path, names: tuple[str, ...], build: Build, *, trials: int, **identity: object) -> list[Event]:
    """Search until there are `trials`, or a fault ends it; what a display would have been told.

    A file `fault-N` in the folder makes trial N fail, as `tests.contracts.fake_training` says.
    """
    study = study_in(folder)
    engine = engine_on(study, folder, RunLimits(trials=trials, deadline=None, keep=2), **identity)
    worker = Worker(data=fake_training.data(), trainer=fake_training.train, check=fake_training.admit, threads=1)
    queue = engine.events.listen()
    with tracked(names, folder, spec(**identity), study.records(), engine.events, build):
        run_local(engine, worker)
    return [queue.get() for _ in range(queue.qsize())]


def records(folder: Path) -> list[TrialRecord]:
    return study_in(folder).records()


def notices(events: list[Event], *, warning: bool) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice) and event.warning == warning]
