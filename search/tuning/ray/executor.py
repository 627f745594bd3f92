"""Running trials in Ray actors."""

import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.tuning.fork_server import ForkServer
from search.tuning.ray.environment import handlers_restored, local_cluster
from search.tuning.resources import Resources
from search.tuning.runner import Worker
from search.tuning.source import TrialSource

if TYPE_CHECKING:
    from search.tuning.ray.adapters import SourceLink

MAX_RESTARTS = 3

logger = logging.getLogger(__name__)


def run_ray(source: TrialSource, worker: Worker, resources: Resources, log: Path, server: ForkServer) -> bool:
    """Run trials in warm, reused actors until `source` wants no more; whether the user interrupted.

    What still runs when this ends is left to be continued.
    """
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", str(resources.concurrency))
    try:
        with local_cluster(
            cpus=resources.cores,
            gpus=resources.gpus,
            log=log,
        ):
            return _run_until_done(source, server, server.share(worker), resources)
    finally:
        source.release_live()


def _run_until_done(source: TrialSource, server: ForkServer, worker: str, resources: Resources) -> bool:
    """Call Ray Tune until `source` wants nothing more: a trial may crash after Ray was told that all is done."""
    from search.tuning.ray.adapters import SourceLink

    restarts = 0
    while source.wants_more():
        link = SourceLink(source, resources.concurrency, server)
        try:
            _tune_run(link, worker, resources)
        except RuntimeError as error:
            if link.error is not None:
                raise link.error from error
            # Ray ends a whole run on some deaths of an actor; the source knows what was running.
            restarts += 1
            if restarts > MAX_RESTARTS:
                raise
            logger.exception("Ray Tune ended the run; starting it again")
            source.release_live()
            continue
        if link.error is not None:
            raise link.error
        if source.live or not link.exhausted:  # only an interrupt makes Ray return before that
            return True
    return False


def _tune_run(link: "SourceLink", worker: str, resources: Resources) -> None:
    """One run of Ray Tune, whose actors read the worker's file."""
    from ray import tune

    from search.tuning.ray.adapters import RayTrial, SourceScheduler, SourceSearcher

    per_trial: dict[str, Any] = {"cpu": resources.threads}
    if resources.gpus:
        per_trial["gpu"] = resources.gpus_per_trial
    with (
        tempfile.TemporaryDirectory(prefix="segtune-ray-") as storage,
        warnings.catch_warnings(),
        handlers_restored(),
    ):
        warnings.simplefilter("ignore")  # Ray's own deprecations
        tune.run(
            tune.with_parameters(RayTrial, server=link.server.address, worker=worker),
            search_alg=SourceSearcher(link),
            scheduler=SourceScheduler(link),
            resources_per_trial=per_trial,
            num_samples=-1,
            reuse_actors=True,
            max_failures=0,
            raise_on_failed_trial=False,
            storage_path=storage,
            progress_reporter=tune.CLIReporter(),  # in a notebook, Ray's own would clear the cell's output
            verbose=0,
        )
