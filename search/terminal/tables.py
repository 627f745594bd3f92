"""Tables of text: framed by rich in a terminal, aligned columns that no width cuts everywhere else."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

GAP = "  "


def print_table(console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text below their headers."""
    if console.is_terminal:
        console.print(framed(headers, rows))
    else:
        for line in aligned(headers, rows):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def framed(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table for terminals; it folds cells where the terminal is narrow."""
    table = Table(header_style="bold", box=None, padding=(0, 1))
    for index, header in enumerate(headers):
        table.add_column(header, overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def aligned(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns padded to their longest cell."""
    lines = [headers, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return [GAP.join(cells).rstrip() for cells in padded]
