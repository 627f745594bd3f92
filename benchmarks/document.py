"""Pages that several benchmarks write, each its own section."""

from pathlib import Path

from search.errors import UserError
from search.files import write_whole


def check_section(page: Path | None, name: str) -> None:
    """Before hours of measuring: raise UserError where `page` has no place for section `name`."""
    if page is None:
        return
    old = page.read_text() if page.is_file() else ""
    marks = _marks(name)
    if any(old.count(mark) != 1 for mark in marks):
        raise UserError(f"{page} needs the marks {' and '.join(marks)} once each, to know where the section belongs")


def write_section(page: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of section `name` in `page`; all else stays. Raises UserError."""
    check_section(page, name)
    begin, end = _marks(name)
    before, _, rest = page.read_text().partition(begin)
    write_whole(page, f"{before}{begin}\n\n{text}\n{end}{rest.partition(end)[2]}")


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->", f"<!-- end of {name} -->"
