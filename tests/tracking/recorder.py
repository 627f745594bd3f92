"""Trackers for tests: one that remembers what it was told, and ways in which one may fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from search.tracking.tracker import Ending, Opened, TrackedStudy, TrackedTrial


@dataclass
class Run:
    """What was told of a trial, over all searches."""

    trial: TrackedTrial
    opened: int = 0
    epochs: list[int] = field(default_factory=list)
    values: dict[int, dict[str, float]] = field(default_factory=dict)
    endings: list[Ending] = field(default_factory=list)


@dataclass
class Server:
    """Where the recorders of several searches write, as a server that outlives them."""

    studies: list[str] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    fails_at: int | None = None
    """The epoch at which it is gone, None: never."""

    closed: int = 0

    def recorder(self, name: str, study: TrackedStudy) -> "Recorder":
        return Recorder(self, name)

    def run(self, number: int) -> Run:
        return self.runs[f"run-{number}"]


class Recorder:
    """A tracker that writes to a `Server`."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self.place = f"server of {name}"
        self.hint = "the tests"

    def begin(self, known: str | None) -> str:
        if known is None:
            self._server.studies.append("study")
        return known or "study"

    def open(self, trial: TrackedTrial, known: Opened | None) -> Opened:
        opened = known or Opened(f"run-{trial.number}", 0)
        self._server.runs.setdefault(opened.run, Run(trial)).opened += 1
        return opened

    def log(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        if epoch == self._server.fails_at:
            raise ConnectionError("the server is gone\nand a long story follows")
        run = self._server.run(number)
        run.epochs.append(epoch)
        run.values[epoch] = dict(values)

    def end(self, number: int, ending: Ending) -> None:
        self._server.run(number).endings.append(ending)

    def close(self) -> None:
        self._server.closed += 1
