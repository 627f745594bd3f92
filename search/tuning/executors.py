"""Where trials run: in Ray actors, or in this process."""

from pathlib import Path

from search.tuning.fork_server import ForkServer
from search.tuning.local import run_local
from search.tuning.options import Executor
from search.tuning.resources import Resources
from search.tuning.runner import Worker
from search.tuning.source import TrialSource


def run_trials(
    source: TrialSource, worker: Worker, *, executor: Executor, resources: Resources, log: Path, server: ForkServer
) -> bool:
    """Run the trials of `source` until it wants no more; whether the user interrupted. What still runs is released.

    `log` takes what Ray says. With `local`, `server` is closed: torch is imported here.
    """
    if executor == "local":
        server.close()
        run_local(source, worker)
        return False
    from search.tuning.ray.executor import run_ray  # here: --executor local works where ray cannot start

    return run_ray(source, worker, resources, log, server)
