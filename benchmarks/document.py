"""Pages that several benchmarks write, each its own section."""

from pathlib import Path


def write_section(page: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of section `name` in `page`; all else stays. Raises ValueError."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    old = page.read_text()
    if old.count(begin) != 1 or old.count(end) != 1:
        raise ValueError(f"{page} needs the marks {begin} and {end} once each, to know where the section belongs")
    before, _, rest = old.partition(begin)
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{rest.partition(end)[2]}")
