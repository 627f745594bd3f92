"""A study as one row of a table."""

from search.terminal.text import value_text
from search.tuning.overview import Overview, counts_text

STUDY_HEADERS = ("study", "space", "data", "best mIoU", "trial", "trials", "last run")


def study_row(study: Overview) -> tuple[str, ...]:
    """The cells below `STUDY_HEADERS`."""
    if study.problem is not None:
        return study.name, "cannot be read", "", "", "", "", study.problem
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
