"""What happens in a search, for all who listen: the display, trackers. Facts only: how they look is their business."""

from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock
from typing import Any

from search.training.outcome import EpochReport


@dataclass(frozen=True, kw_only=True)
class TrialStarted:
    """A trial starts or continues; `name` is the named point, or how it was sampled."""

    number: int
    name: str


@dataclass(frozen=True, kw_only=True)
class TrialEpoch:
    """A trial finished an epoch."""

    number: int
    report: EpochReport


@dataclass(frozen=True, kw_only=True)
class TrialEnded:
    """A trial no longer runs: `kind` is a TrialOutcome's, or pruned, interrupted, retried."""

    number: int
    kind: str
    reason: str
    best: float | None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a listener has to say to the user, such as that it gave up."""

    text: str
    warning: bool = False


Event = TrialStarted | TrialEpoch | TrialEnded | Notice


class Events:
    """Events on their way to listeners, each of which has a queue of its own and reads it when it likes.

    Whoever puts an event neither waits nor knows who listens; without listeners it is gone. Safe for threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._queues: tuple[SimpleQueue[Any], ...] = ()

    def listen(self) -> SimpleQueue[Any]:
        """A queue of all events from now on."""
        queue: SimpleQueue[Any] = SimpleQueue()
        with self._lock:
            self._queues = (*self._queues, queue)
        return queue

    def ignore(self, queue: SimpleQueue[Any]) -> None:
        """Put nothing more into a queue."""
        with self._lock:
            self._queues = tuple(other for other in self._queues if other is not queue)

    def put(self, event: Event) -> None:
        """Give an event to every listener."""
        for queue in self._queues:
            queue.put(event)
