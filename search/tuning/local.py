"""The in-process executor: one trial after the other, for debugging, tests and machines without Ray."""

from search.tuning.engine import Engine
from search.tuning.runner import TrialRunner, Worker


def run_local(engine: Engine, worker: Worker) -> None:
    """Run trials until the engine wants no more. What still runs when this ends is left for the next run."""
    runner = TrialRunner(worker)
    try:
        while (assignment := engine.next_trial()) is not None:
            runner.start(assignment)
            while engine.receive(assignment.number, runner.step()):
                pass
            runner.stop()
    finally:
        runner.stop()
        engine.release_live()
