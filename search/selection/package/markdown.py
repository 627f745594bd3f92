"""Text that comes from data and users, as Markdown shows it unchanged."""

import re
from collections.abc import Iterable, Sequence

SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~&$@]|:(?=//)|:(?=\w+:))")
"""Where markup, HTML, a link, an address, an emoji or a table cell would begin inside a line."""


def escaped(text: str) -> str:
    """Text as one line of Markdown that shows it as it is: no markup, HTML, link or table cell begins in it."""
    return SPECIAL.sub(r"\\\1", one_line(text))


def one_line(text: str) -> str:
    """Text with single blanks in place of line breaks."""
    return " ".join(text.split())


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; cells are Markdown already."""
    return [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
