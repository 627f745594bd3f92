"""`python -m search.audit PATH`: what is in a data set, what would be removed, and what to look out for."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from search.command import run_command

WIDTH_OF_FILES = 120
"""Characters a line where the output is no terminal."""


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """Audit a segmentation data set: outliers, near-duplicates, empty masks, class frequencies. Nothing is changed."""

    path: tyro.conf.Positional[Path]
    """An .npz file in the course's form, or a folder with images/ and masks/."""

    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON instead of tables."""


def main() -> None:
    """Read, audit, print."""
    options = tyro.cli(AuditOptions, prog="python -m search.audit")
    from rich.console import Console

    from search.data.audit import audit
    from search.data.audit_tables import format_audit
    from search.data.read import read_data
    from search.data.unlabelled import read_unlabelled

    data = read_data(options.path)
    unlabelled = sum(1 for _ in read_unlabelled(options.path, data))
    report = audit(data).model_copy(update={"unlabelled": unlabelled})
    if options.json:
        print(report.to_json())
    else:
        wide = None if sys.stdout.isatty() else WIDTH_OF_FILES
        Console(markup=False, highlight=False, width=wide).print(format_audit(report))


if __name__ == "__main__":
    run_command(main)
