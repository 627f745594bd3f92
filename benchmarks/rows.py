"""Results as a table in the terminal."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 160
"""Characters of a line where the output is a file."""


def print_rows(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print at least one row, a column for each of its keys."""
    table = Table(title=title, title_justify="left", box=None)
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
