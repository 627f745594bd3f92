"""Markdown around text that comes from data, users and errors: it is shown as it is, whatever it looks like."""

import re
from collections.abc import Sequence

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
"""All of ASCII's: CommonMark shows each of these behind a backslash as itself."""


def escaped(text: str) -> str:
    """`text` on one line, no character of which is markup."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def verbatim(text: str) -> str:
    """Lines of text as a block of code. Indented, not fenced: no line of it can end the block."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of escaped cells; all columns but the first are aligned to the right."""
    rule = [":--", *["--:"] * (len(headers) - 1)]
    lines = [[escaped(cell) for cell in headers], rule, *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(lines: Sequence[str]) -> str:
    """A list; its lines are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def paragraphs(parts: Sequence[str]) -> str:
    """Parts with a blank line between them; empty ones are left out."""
    return "\n\n".join(part for part in parts if part)
