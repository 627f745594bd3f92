"""`python -m search.audit PATH`: what is in a data set, what would be removed, and what to look out for."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from search.command import run_command
from search.data.stratification import Stratification
from search.errors import UserError

WIDTH_OF_FILES = 120
"""Characters a line where the output is no terminal."""


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """Audit a segmentation data set: outliers, near-duplicates, empty masks, class frequencies. Nothing is changed."""

    path: tyro.conf.Positional[Path]
    """An .npz file in the course's form, or a folder with images/ and masks/."""

    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON instead of tables."""

    stratify: Annotated[Stratification | None, tyro.conf.arg(help_behavior_hint="")] = None
    """Also split the data as search.run does with this --stratify, and print what each part holds."""

    seed: Annotated[int | None, tyro.conf.arg(help_behavior_hint="")] = None
    """Seed of that split. Default: 0."""

    def check(self) -> None:
        """Raise UserError for a seed that is none or of no split, and for a table in JSON."""
        if self.seed is not None and not 0 <= self.seed < 2**32:
            raise UserError(f"--seed must be between 0 and {2**32 - 1}, got {self.seed}")
        if self.seed is not None and self.stratify is None:
            raise UserError("--seed is that of the split which --stratify prints: give --stratify too, or leave it out")
        if self.json and self.stratify is not None:
            raise UserError("--json prints the audit alone, --stratify a table of the split: leave one of them out")


def main() -> None:
    """Read, audit, print."""
    options = tyro.cli(AuditOptions, prog="python -m search.audit")
    options.check()
    from rich.console import Console

    from search.data.audit import audit, clean
    from search.data.audit_tables import format_audit
    from search.data.read import read_data
    from search.data.split import split
    from search.data.split_tables import format_split
    from search.data.unlabelled import count_unlabelled

    data = read_data(options.path)
    report = audit(data)
    unlabelled, warnings = count_unlabelled(options.path, data)
    report = report.model_copy(update={"unlabelled": unlabelled, "warnings": report.warnings + warnings})
    if options.json:
        print(report.to_json())
        return
    wide = None if sys.stdout.isatty() else WIDTH_OF_FILES
    console = Console(markup=False, highlight=False, width=wide)
    console.print(format_audit(report))
    if options.stratify is not None:
        cleaned = clean(data, report)
        chosen = split(cleaned, report, seed=options.seed or 0, stratify=options.stratify)
        console.print(format_split(cleaned, chosen))


if __name__ == "__main__":
    run_command(main)
