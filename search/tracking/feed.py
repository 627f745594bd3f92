"""From the engine's events to trackers, each in a thread of its own: none can hold the search up, or end it."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue

from search.tracking.build import build_tracker
from search.tracking.journal import Journal
from search.tracking.tracker import (
    ENDINGS,
    Ending,
    TrackedStudy,
    TrackedTrial,
    Tracker,
    epoch_values,
    recorded_ending,
    study_settings,
    trial_settings,
)
from search.training.outcome import EpochReport
from search.tuning.events import Event, Events, Notice, TrialEnded, TrialEpoch, TrialStarted
from search.tuning.folder import TRACKING_NAME
from search.tuning.record import TrialRecord
from search.tuning.spec import StudySpec
from search.tuning.trial_folder import read_config, trial_folder
from spaces.config import TrialConfig

logger = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds that a tracker gets at the end of a search for what it has not sent yet."""

Build = Callable[[str, TrackedStudy], Tracker]


@contextmanager
def tracked(
    names: Sequence[str],
    folder: Path,
    spec: StudySpec,
    records: Sequence[TrialRecord],
    events: Events,
    build: Build = build_tracker,
) -> Iterator[None]:
    """Tell the trackers of these names what happens in the block, and of `records` what they do not know yet."""
    with ExitStack() as stack:
        for name in dict.fromkeys(names):
            stack.enter_context(_fed(name, folder, spec, records, events, build))
        yield


@contextmanager
def _fed(
    name: str, folder: Path, spec: StudySpec, records: Sequence[TrialRecord], events: Events, build: Build
) -> Iterator[None]:
    queue: SimpleQueue[Event | None] = events.listen()

    def run() -> None:
        try:
            _feed(name, folder, spec, records, events, queue, build)
        except Exception as error:  # whatever a library, a server or a disk does: the search goes on
            events.ignore(queue)
            logger.warning("--track %s stopped", name, exc_info=True)
            events.put(Notice(text=_stopped(name, error), warning=True))

    thread = threading.Thread(target=run, name=f"track {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        events.ignore(queue)
        queue.put(None)
        thread.join(PATIENCE)
        if thread.is_alive():
            events.put(Notice(text=f"warning: --track {name} is not done; the next run sends the rest", warning=True))


def _feed(
    name: str,
    folder: Path,
    spec: StudySpec,
    records: Sequence[TrialRecord],
    events: Events,
    queue: SimpleQueue[Event | None],
    build: Build,
) -> None:
    """The life of a tracker's thread."""
    place = folder.resolve() / TRACKING_NAME
    study = TrackedStudy(name=folder.resolve().name, folder=place / name, settings=study_settings(spec))
    tracker = build(name, study)
    try:
        feed = Feed(tracker, Journal(place / f"{name}.jsonl", tracker.place), folder, spec)
        feed.begin()
        events.put(Notice(text=f"tracked by {name}: {tracker.hint}"))
        for record in records:
            feed.catch_up(record)
        while (event := queue.get()) is not None:
            feed.apply(event)
    except Exception:
        with suppress(Exception):  # why it stopped is what counts
            tracker.close()
        raise
    tracker.close()


def _stopped(name: str, error: Exception) -> str:
    first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return (
        f"warning: --track {name} has stopped: {first}\n"
        "The search goes on without it; the next run with it sends what is missing (details are in search.log)"
    )


class Feed:
    """Tells one tracker what happened, each epoch once. What it was told stands in its journal."""

    def __init__(self, tracker: Tracker, journal: Journal, folder: Path, spec: StudySpec) -> None:
        self._tracker = tracker
        self._journal = journal
        self._folder = folder
        self._spec = spec
        self._origins: dict[int, str] = {}
        self._reports: dict[int, dict[int, EpochReport]] = {}
        self._epochs: dict[int, int] = {}
        """The open runs, each with the last epoch it has."""

    def begin(self) -> None:
        """Begin the study, or go on with it."""
        self._journal.began(self._tracker.begin(self._journal.study))

    def catch_up(self, record: TrialRecord) -> None:
        """Tell of an earlier trial what is not known yet; of one that goes on, its earlier epochs."""
        if record.refused or record.config_data is None:
            return
        ending = recorded_ending(record)
        known = self._journal.known(record.number)
        goes_on = ending.kind == "to be continued"
        if not goes_on and self._journal.has_ended(record.number, record.epochs):
            return
        self._origins[record.number] = record.point or record.sampled_by
        self._reports[record.number] = {
            report.epoch: report for report in (EpochReport.model_validate(entry) for entry in record.curve)
        }
        if not goes_on or record.epochs > (known.epochs if known else 0):
            self._open(record.number, record.config)
            self._end(record.number, ending)

    def apply(self, event: Event) -> None:
        """Tell of an event."""
        match event:
            case TrialStarted():
                self._origins[event.number] = event.name
            case TrialEpoch():
                self._reports.setdefault(event.number, {})[event.report.epoch] = event.report
                self._open(event.number)
            case TrialEnded() if event.kind in ENDINGS:
                self._open(event.number)
                self._end(
                    event.number, Ending(kind=ENDINGS[event.kind], reason=event.reason or event.kind, best=event.best)
                )

    def _open(self, number: int, config: TrialConfig | None = None) -> None:
        """Have the trial's run open, and told every epoch up to the last one that is known here.

        `config` is None for a trial that trains now: its folder holds it.
        """
        if number not in self._epochs:
            trial = TrackedTrial(
                number=number,
                origin=self._origins.get(number, ""),
                settings=trial_settings(config or read_config(trial_folder(self._folder, number))),
            )
            opened = self._tracker.open(trial, self._journal.known(number))
            self._journal.opened(number, opened)
            self._epochs[number] = opened.epochs
        for epoch, report in sorted(self._reports.get(number, {}).items()):
            if epoch > self._epochs[number]:
                self._log(number, epoch, epoch_values(report, self._spec.facts.class_names))

    def _log(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        self._tracker.log(number, epoch, values)
        self._journal.logged(number, epoch)
        self._epochs[number] = epoch

    def _end(self, number: int, ending: Ending) -> None:
        self._tracker.end(number, ending)
        del self._epochs[number]
        if ending.kind != "to be continued":
            self._journal.ended(number)
            self._reports.pop(number, None)
