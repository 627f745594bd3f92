"""Showing a search while it runs. A thread reads the engine's events, so that no display slows the search down."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from search.terminal.progress import Progress
from search.tuning.events import Event, Notice, TrialEnded
from search.words import duration_text, value_text

TICK = 0.5
HEARTBEAT = 60.0
"""Seconds without a line after which plain output says how things stand."""

MOST_RUNNING_SHOWN = 12
ENDINGS = {
    "trained": "complete",
    "early_stopped": "complete, stopped early",
    "pruned": "pruned",
    "not_finite": "failed",
    "out_of_memory": "failed, out of memory",
    "crashed": "failed",
    "retried": "crashed, will be tried again",
    "interrupted": "to be continued",
}


@contextmanager
def shown(progress: Progress, events: SimpleQueue[Event], console: Console) -> Iterator[None]:
    """Show what `events` tell until the block ends: live in a terminal, one line for each ended trial elsewhere."""
    ended = threading.Event()
    target = _show_live if console.is_terminal else _show_lines
    thread = threading.Thread(target=target, args=(progress, events, console, ended), name="display", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=5)


def _drain(events: SimpleQueue[Event], wait: float) -> list[Event]:
    drained: list[Event] = []
    try:
        drained.append(events.get(timeout=wait))
        while True:
            drained.append(events.get_nowait())
    except Empty:
        return drained


def _show_live(progress: Progress, events: SimpleQueue[Event], console: Console, ended: threading.Event) -> None:
    with Live(live_view(progress), console=console, refresh_per_second=4, transient=True) as live:
        while not (ended.is_set() and events.empty()):
            for event in _drain(events, TICK):
                progress.apply(event)
                line = event_line(event, progress)
                if line is not None:
                    live.console.print(Text(line, style=_style(event)))
            live.update(live_view(progress))


def _show_lines(progress: Progress, events: SimpleQueue[Event], console: Console, ended: threading.Event) -> None:
    spoken = time.monotonic()
    while not (ended.is_set() and events.empty()):
        lines = []
        for event in _drain(events, TICK):
            progress.apply(event)
            lines.append(event_line(event, progress))
        if not any(lines) and time.monotonic() - spoken >= HEARTBEAT:
            lines.append(status_line(progress))
        for line in filter(None, lines):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
            spoken = time.monotonic()


def event_line(event: Event, progress: Progress) -> str | None:
    """What stays on the screen: notices and the ends of trials. None for the rest, refused trials included."""
    if isinstance(event, Notice):
        return event.text
    if not isinstance(event, TrialEnded) or event.kind == "over_limit":
        return None
    value = f"mIoU {value_text(event.best)}" if event.best is not None else " " * len("mIoU 0.0000")
    reason = "" if event.kind == "interrupted" else _last_line(event.reason)
    best = "  best so far" if progress.best is not None and progress.best[1] == event.number else ""
    return f"{progress.label(event.number, 3)}  {value}  {ENDINGS[event.kind]}{': ' if reason else ''}{reason}{best}"


def _style(event: Event) -> str:
    if isinstance(event, Notice):
        return "yellow" if event.warning else "dim"
    if not isinstance(event, TrialEnded):
        return ""
    match event.kind:
        case "pruned" | "interrupted":
            return "dim"
        case "trained" | "early_stopped":
            return ""
        case _:
            return "red"


def status_line(progress: Progress) -> str:
    """The whole state in one line."""
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(progress.counts.items()))
    total = "" if progress.trials is None else f" of {progress.trials}"
    ended = f"{progress.ended}{total} ended{f' ({counts})' if counts else ''}"
    best = (
        "none yet" if progress.best is None else f"{value_text(progress.best[0])} ({progress.label(progress.best[1])})"
    )
    return f"{len(progress.running)} running, {ended}; best mIoU {best}; {progress.pace:.2g} epochs/s{_left(progress)}"


def _left(progress: Progress) -> str:
    match progress.seconds_left:
        case None:
            return ""
        case 0:
            return "; time is up, running epochs end"
        case seconds:
            return f"; {duration_text(seconds)} left"


def live_view(progress: Progress) -> Group:
    """The panel that a terminal shows below the lines that stay."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("running", "from", "epoch", "mIoU"):
        justify = "right" if column in ("epoch", "mIoU") else "left"
        table.add_column(column, justify=justify, no_wrap=column != "from")  # what may wrap is narrowed first
    for number, trial in sorted(progress.running.items())[:MOST_RUNNING_SHOWN]:
        epoch = f"{trial.epoch}/{progress.max_epochs}"
        table.add_row(
            progress.label(number), Text(trial.name, no_wrap=True, overflow="ellipsis"), epoch, value_text(trial.miou)
        )
    hidden = len(progress.running) - MOST_RUNNING_SHOWN
    if hidden > 0:
        table.add_row(f"and {hidden} more")
    arrivals = ", ".join(f"{progress.arrivals[rung]} at epoch {rung}" for rung in progress.rungs)
    lines = [Text(status_line(progress), style="bold")]
    if arrivals:
        lines.append(Text(f"rungs reached: {arrivals}", style="dim"))
    return Group(Text(), *lines, table)


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""
