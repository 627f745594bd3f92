"""Showing a search while it runs. A thread reads the engine's events, so that no display slows the search down."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from search.terminal.progress import Progress
from search.terminal.text import duration_text, value_text
from search.tuning.events import Event, TrialEnded

TICK = 0.5
HEARTBEAT = 60.0
MOST_RUNNING_SHOWN = 12


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
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while not (ended.is_set() and events.empty()):
            for event in _drain(events, TICK):
                progress.apply(event)
                line = event_line(event, progress)
                if line is not None:
                    live.console.print(line)
            live.update(live_view(progress))


def _show_lines(progress: Progress, events: SimpleQueue[Event], console: Console, ended: threading.Event) -> None:
    quiet = 0.0
    while not (ended.is_set() and events.empty()):
        drained = _drain(events, TICK)
        quiet = 0.0 if drained else quiet + TICK
        for event in drained:
            progress.apply(event)
            line = event_line(event, progress)
            if line is not None:
                console.print(line, highlight=False, soft_wrap=True)
        if quiet >= HEARTBEAT:
            quiet = 0.0
            console.print(status_line(progress), highlight=False, soft_wrap=True)


def event_line(event: Event, progress: Progress) -> str | None:
    """What stays on the screen of an event: the end of a trial. None for the rest, refused trials included."""
    if not isinstance(event, TrialEnded) or event.kind == "over_limit":
        return None
    value = f"mIoU {value_text(event.best)}" if event.best is not None else "no epoch   "
    reason = f": {_last_line(event.reason)}" if event.reason else ""
    best = "  best so far" if progress.best is not None and progress.best[1] == event.number else ""
    return f"trial {event.number:>3}  {value}  {event.kind.replace('_', ' ')}{reason}{best}"


def status_line(progress: Progress) -> str:
    """The whole state in one line."""
    best = "none yet" if progress.best is None else f"{value_text(progress.best[0])} (trial {progress.best[1]})"
    left = "" if progress.seconds_left is None else f", {duration_text(progress.seconds_left)} left"
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(progress.counts.items())) or "none ended"
    return f"{counts}, {len(progress.running)} running; best mIoU {best}; {progress.pace:.2f} epochs/s{left}"


def live_view(progress: Progress) -> Group:
    """The panel that a terminal shows below the lines that stay."""
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for column in ("running", "from", "epoch", "mIoU"):
        table.add_column(column, justify="right" if column in ("epoch", "mIoU") else "left")
    for number, trial in sorted(progress.running.items())[:MOST_RUNNING_SHOWN]:
        epoch = f"{trial.epoch}/{progress.max_epochs}"
        table.add_row(f"trial {number}", trial.name, epoch, value_text(trial.miou))
    hidden = len(progress.running) - MOST_RUNNING_SHOWN
    if hidden > 0:
        table.add_row(f"and {hidden} more")
    arrivals = "  ".join(f"epoch {rung}: {progress.arrivals[rung]}" for rung in progress.rungs)
    total = "" if progress.trials is None else f" of {progress.trials} trials"
    lines = [
        Text(f"{progress.ended}{total} ended: {status_line(progress)}", style="bold"),
        Text(f"reached rungs  {arrivals or 'no rungs'}", style="dim"),
    ]
    return Group(Text(), *lines, table)


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""
