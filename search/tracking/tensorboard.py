"""TensorBoard: event files in the study's folder, a run a trial, by TensorBoard's own writer.

Nothing of this needs TensorFlow or torch.
"""

import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from search.tracking.tracker import Ending, Opened, Settings, TrackedStudy, TrackedTrial

STUDY_RUN = "study"

EVENTS: Any = event_pb2
SUMMARIES: Any = summary_pb2
"""Modules whose classes protobuf makes when they are imported: nothing that checks types can see them."""


class TensorBoard:
    """Writes `tracking/tensorboard/trial-NNNN`."""

    def __init__(self, study: TrackedStudy) -> None:
        self._study = study
        self._writers: dict[int, EventFileWriter] = {}
        self._epochs: dict[int, int] = {}

    @property
    def place(self) -> str:
        """The kind of place alone: the folder goes with its study wherever it is moved."""
        return "tensorboard"

    @property
    def hint(self) -> str:
        """The command that shows it."""
        return f"uv run --extra tensorboard tensorboard --logdir {shlex.quote(str(self._study.folder))}"

    def begin(self, known: str | None) -> str:
        """What the study is, as a text."""
        if known is None:
            writer = _writer(self._study.folder / STUDY_RUN)
            _add(writer, text_pb("study", _table(self._study.settings)), step=0)
            writer.close()
        return STUDY_RUN

    def open(self, trial: TrackedTrial, known: Opened | None) -> Opened:
        """Open an event file; TensorBoard is told to forget what earlier ones may hold of later epochs."""
        run, epochs = known or (f"trial-{trial.number:04d}", 0)
        writer = _writer(self._study.folder / run)
        start = EVENTS.SessionLog(status=EVENTS.SessionLog.START)
        writer.add_event(EVENTS.Event(wall_time=time.time(), step=epochs + 1, session_log=start))
        if known is None:
            _add(writer, hparams_pb(dict(trial.settings), trial_id=run), step=0)
            _add(writer, text_pb("configuration", _table({"proposed by": trial.origin, **trial.settings})), step=0)
        writer.flush()
        self._writers[trial.number] = writer
        self._epochs[trial.number] = epochs
        return Opened(run, epochs)

    def log(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        """Scalars against the epoch, on disk at once: a search may be killed."""
        scalars = SUMMARIES.Summary(
            value=[SUMMARIES.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        )
        _add(self._writers[number], scalars, step=epoch)
        self._writers[number].flush()
        self._epochs[number] = epoch

    def end(self, number: int, ending: Ending) -> None:
        """How it ended, as a text, and the best value."""
        writer, epoch = self._writers.pop(number), self._epochs.pop(number)
        reason = "\n".join(f"    {line}" for line in ending.reason.splitlines())
        _add(writer, text_pb("ended", f"{ending.kind}\n\n{reason}"), step=epoch)
        if ending.best is not None:
            best = SUMMARIES.Summary.Value(tag="best validation mIoU", simple_value=ending.best)
            _add(writer, SUMMARIES.Summary(value=[best]), step=epoch)
        writer.close()

    def close(self) -> None:
        """Close what is open."""
        while self._writers:
            _, writer = self._writers.popitem()
            writer.close()


def _writer(folder: Path) -> EventFileWriter:
    folder.mkdir(parents=True, exist_ok=True)
    return EventFileWriter(str(folder))


def _add(writer: EventFileWriter, summary: Any, *, step: int) -> None:
    writer.add_event(EVENTS.Event(wall_time=time.time(), step=step, summary=summary))


def _table(settings: Settings) -> str:
    """Settings as a list in Markdown; each is code, whatever it holds."""
    return "\n".join(f"    {name}: {value}" for name, value in settings.items())
