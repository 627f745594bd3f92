"""`python -m search.run`: search a space for the best network on a data set."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import tyro

from search.command import INTERRUPTED, run_command
from search.tuning.fork_server import ForkServer
from search.tuning.options import RunOptions

if TYPE_CHECKING:
    from rich.console import Console

    from search.tuning.engine import Engine, RunLimits
    from search.tuning.plan import Plan
    from search.tuning.record import TrialRecord
    from search.tuning.spec import StudySpec


def main() -> None:
    """Search as the options say."""
    options = tyro.cli(RunOptions, prog="python -m search.run")
    options.check()
    with ForkServer() as server:  # first: it imports for seconds
        search(options, server)


def search(options: RunOptions, server: ForkServer) -> None:
    """Plan, run, tell what came of it."""
    from rich.console import Console

    from search.terminal.summary import (
        print_data,
        print_estimates,
        print_leak,
        print_missing,
        print_plan,
        print_result,
    )
    from search.tuning.imagenet import fetch_weights
    from search.tuning.plan import check_places, plan, prepare, resources_of
    from search.tuning.session import ray_beforehand, run, terminable
    from spaces.encoders import encoders_of

    console = Console(highlight=False)
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
            return
        result = run(planned, partial(watched, planned), server)
    print_result(console, planned, result)
    if result.interrupted:
        sys.exit(INTERRUPTED)


@contextmanager
def waiting(console: "Console", text: str) -> Iterator[None]:
    """Say what the block does that takes its time: a spinner, or a line where there is no terminal."""
    if console.is_terminal:
        with console.status(text):
            yield
    else:
        console.print(f"{text} ...")
        yield


@contextmanager
def watched(
    planned: "Plan", engine: "Engine", spec: "StudySpec", limits: "RunLimits", records: "list[TrialRecord]"
) -> Iterator[None]:
    """Show the search while the block runs, and tell the trackers that were asked for."""
    from rich.console import Console

    from search.terminal.display import shown
    from search.terminal.progress import Progress
    from search.tracking.feed import tracked

    progress = Progress(rungs=spec.rungs, max_epochs=spec.max_epochs, trials=limits.trials, deadline=limits.deadline)
    progress.recall(records)
    names = planned.options.execution.track
    with (
        shown(progress, engine.events.listen(), Console(highlight=False)),
        tracked(names, planned.folder, spec, records, engine.events),
    ):
        yield


if __name__ == "__main__":
    run_command(main)
