"""The in-process executor: one trial after the other, for debugging, tests and machines without Ray."""

from search.tuning.runner import TrialRunner, Worker
from search.tuning.source import TrialSource


def run_local(source: TrialSource, worker: Worker) -> None:
    """Run trials until `source` wants no more. What still runs when this ends is left to be continued."""
    runner = TrialRunner(worker)
    try:
        while (assignment := source.next_trial()) is not None:
            runner.start(assignment)
            while source.receive(assignment.number, runner.step()):
                pass
            runner.stop()
    finally:
        runner.stop()
        source.release_live()
