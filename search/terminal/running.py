"""A search from its options to its result, told on a console: what `search.run` does, command and function alike."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console

from search.terminal.display import shown
from search.terminal.progress import Progress
from search.terminal.summary import (
    print_data,
    print_estimates,
    print_leak,
    print_missing,
    print_plan,
    print_result,
)
from search.terminal.waiting import waiting
from search.tracking.feed import tracked
from search.tuning.engine import Engine, RunLimits
from search.tuning.fork_server import ForkServer
from search.tuning.imagenet import fetch_weights
from search.tuning.options import RunOptions
from search.tuning.plan import Plan, check_places, plan, prepare, resources_of
from search.tuning.record import TrialRecord
from search.tuning.session import Display, Result, ray_beforehand, run, terminable
from search.tuning.spec import StudySpec
from spaces.encoders import encoders_of


def search(options: RunOptions, server: ForkServer, console: Console) -> Result | None:
    """Plan, run, tell what came of it; None where `--dry-run` ends with the plan. Raises UserError.

    Ctrl-C raises KeyboardInterrupt before the first trial, and then ends the run with a result.
    """
    with waiting(console, "reading the data"):
        prepared, space = prepare(options, server)
        if not options.execution.dry_run:
            check_places(options)
    print_data(console, options, prepared)
    print_leak(console, options, prepared)
    if prepared.pretrained == "imagenet":
        with waiting(console, "looking for timm's weights"):
            missing = server.call(fetch_weights, encoders_of(space))
        print_missing(console, missing)
    resources = resources_of(options)  # once: what is free changes when Ray has started
    with terminable(), ExitStack() as stack:
        with waiting(console, "measuring this machine"):
            stack.enter_context(ray_beforehand(options, resources))
            planned = plan(options, prepared, space, resources, server)
        print_plan(console, planned)
        if options.execution.dry_run:
            print_estimates(console, planned)
            return None
        result = run(planned, watched_on(console, planned), server)
    print_result(console, planned, result)
    return result


def watched_on(console: Console, planned: Plan) -> Display:
    """What shows a search on `console` while it runs, and tells the trackers that were asked for."""

    @contextmanager
    def watched(engine: Engine, spec: StudySpec, limits: RunLimits, records: list[TrialRecord]) -> Iterator[None]:
        progress = Progress(
            rungs=spec.rungs, max_epochs=spec.max_epochs, trials=limits.trials, deadline=limits.deadline
        )
        progress.recall(records)
        names = planned.options.execution.track
        with (
            shown(progress, engine.events.listen(), console),
            tracked(names, planned.folder, spec, records, engine.events),
        ):
            yield

    return watched
