"""Lines of words: wrapped with an indent in a terminal, never cut elsewhere. Text is shown as it is, brackets too."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

LABEL_WIDTH = 8


def print_whole(console: Console, text: str, *, label: str = "") -> None:
    """Print `text` behind a bold label as one line, which only the terminal itself may fold: it can be copied."""
    line = Text.assemble((f"{label:<{LABEL_WIDTH}}", "bold"), text)
    console.print(line, soft_wrap=True)


def print_line(console: Console, text: str, *, label: str = "", style: str = "") -> None:
    """Print `text` behind a bold label. Where there is no terminal it stays one line, however long."""
    if not console.is_terminal:
        console.print(f"{label:<{LABEL_WIDTH}}{text}", markup=False, highlight=False, soft_wrap=True)
        return
    grid = Table.grid()
    grid.add_column(min_width=LABEL_WIDTH, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label, style="bold"), Text(text, style=style))
    console.print(grid)


def print_commands(console: Console, commands: Sequence[tuple[str, str]]) -> None:
    """Print commands to type next, each below what it is for."""
    for index, (command, purpose) in enumerate(commands):
        print_line(console, f"# {purpose}", label="" if index else "next", style="dim")
        print_whole(console, command)
