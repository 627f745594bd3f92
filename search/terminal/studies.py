"""All studies: a table of those that can be read, a line for each of the others."""

from collections.abc import Sequence

from rich.console import Console

from search.terminal.tables import print_table
from search.tuning.overview import Overview, counts_text
from search.words import value_text

STUDY_HEADERS = ("study", "space", "data", "best mIoU", "trial", "trials", "last run")


def print_studies(console: Console, studies: Sequence[Overview]) -> None:
    """Print the studies by name."""
    readable = [study_row(study) for study in studies if study.problem is None]
    if readable:
        print_table(console, STUDY_HEADERS, readable)
    for study in studies:
        if study.problem is not None:
            console.print(f"{study.name} cannot be read: {study.problem}", markup=False, soft_wrap=True)


def study_row(study: Overview) -> tuple[str, ...]:
    """The cells below `STUDY_HEADERS`."""
    best = study.best
    date = f"{study.last_run:%Y-%m-%d %H:%M}" if study.last_run is not None else "-"
    return (
        study.name,
        study.space,
        study.data,
        value_text(best.best_value if best is not None else None),
        str(best.number) if best is not None else "-",
        counts_text(study.counts),
        f"{date}, running now" if study.running else date,
    )
