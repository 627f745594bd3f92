"""What executors run trials for: a search, or the retraining of its best."""

from typing import Protocol

from search.tuning.messages import Assignment, Message


class TrialSource(Protocol):
    """Hands out trials, takes their messages, decides whether they go on. Called from one thread."""

    def next_trial(self) -> Assignment | None:
        """The next trial to run, None where no more is started."""
        ...

    def wants_more(self) -> bool:
        """Whether a trial may be started or continued now."""
        ...

    @property
    def live(self) -> int:
        """How many trials are running."""
        ...

    def receive(self, number: int, message: Message) -> bool:
        """Take one message of a running trial; whether it goes on."""
        ...

    def lost(self, number: int, reason: str) -> None:
        """The worker of a trial died."""
        ...

    def stop(self) -> None:
        """Start nothing more, and let running trials end after their epoch."""
        ...

    def release_live(self) -> None:
        """Leave what still runs to be continued. Called when an executor ends, however it ends."""
        ...
