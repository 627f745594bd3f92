"""What executors run trials for: a search, or the retraining of its best."""

from abc import ABC, abstractmethod

from search.tuning.events import Events
from search.tuning.messages import Assignment, Message

INTERRUPTED = "the run ended; the next one continues it"


class TrialSource(ABC):
    """Hands out trials, takes their messages, decides whether they go on. Called from one thread.

    It tells what happens to whoever listens to `events`, and knows none of them.
    """

    def __init__(self) -> None:
        self.events = Events()
        self._live: set[int] = set()
        self._stopped = False

    @abstractmethod
    def next_trial(self) -> Assignment | None:
        """The next trial to run, None where no more is started."""

    @abstractmethod
    def wants_more(self) -> bool:
        """Whether a trial may be started or continued now."""

    @property
    def live(self) -> int:
        """How many trials are running."""
        return len(self._live)

    @abstractmethod
    def receive(self, number: int, message: Message) -> bool:
        """Take one message of a running trial; whether it goes on."""

    def lost(self, number: int, reason: str) -> None:
        """The worker of a trial died. A running one is tried once more from its checkpoint, then has failed."""
        if number in self._live:
            self._crash(number, reason)

    def stop(self) -> None:
        """Start nothing more, and let running trials end after their epoch."""
        self._stopped = True

    def release_live(self) -> None:
        """Leave what still runs for the next run. Called when an executor ends, however it ends."""
        for number in sorted(self._live):
            self._release(number, INTERRUPTED)

    @abstractmethod
    def _crash(self, number: int, reason: str) -> None:
        """Give a trial that crashed back to be tried again, or tell that it failed for good."""

    @abstractmethod
    def _release(self, number: int, reason: str) -> None:
        """Give a running trial back, for this run or the next to continue."""
