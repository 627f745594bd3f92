"""Saying what goes on where nothing else is shown."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def waiting(console: Console, text: str) -> Iterator[None]:
    """Say what the block does that takes its time: a spinner, or a line where there is no terminal."""
    if console.is_terminal:
        with console.status(text):
            yield
    else:
        console.print(f"{text} ...")
        yield
