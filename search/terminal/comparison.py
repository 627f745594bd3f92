"""Studies side by side: what each reached, for which effort, and in what their best configurations differ."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from search.terminal.tables import print_table
from search.tuning.comparison import best_after, best_record
from search.tuning.objectives import MIOU_ALONE
from search.tuning.overview import count_kinds, counts_text
from search.tuning.reading import StoredStudy
from search.tuning.record import TrialRecord
from search.words import duration_text, value_text

QUARTERS = (0.25, 0.5, 0.75, 1.0)

Row = tuple[str, ...]
"""What is compared, then one cell a study."""


def print_comparison(console: Console, studies: Sequence[StoredStudy]) -> None:
    """Print what the studies reached, then how their best configurations differ."""
    names = [study.name for study in studies]
    if len(set(names)) < len(names):
        names = [str(study.folder) for study in studies]
    print_table(console, ("", *names), result_rows(studies))
    console.print()
    differences = configuration_rows(studies)
    if differences:
        print_table(console, ("best configurations differ in", *names), differences)
    else:
        console.print("the best configurations are the same")


def result_rows(studies: Sequence[StoredStudy]) -> list[Row]:
    """Best value, its trial, trials, epochs and time, and the best value after equal shares of trained time."""
    bests = [best_record(study) for study in studies]
    spent = [sum(record.seconds for record in study.records) for study in studies]
    shared = min(spent)
    rows: list[Row] = [
        ("space", *(study.spec.space for study in studies)),
        *objective_rows(studies),
        ("best mIoU", *(value_text(best.best_value if best else None) for best in bests)),
        ("its trial", *(_origin(best) for best in bests)),
        ("trials", *(counts_text(count_kinds(study.records)) for study in studies)),
        ("epochs in all", *(str(sum(record.epochs for record in study.records)) for study in studies)),
        ("trained time", *(duration_text(seconds) for seconds in spent)),
    ]
    for quarter in QUARTERS if shared > 0 else ():
        values = [best_after(study.records, quarter * shared) for study in studies]
        rows.append((f"best after {duration_text(quarter * shared)} ({quarter:.0%})", *map(value_text, values)))
    return rows


def objective_rows(studies: Sequence[StoredStudy]) -> list[Row]:
    """What each searched for, where one of them looked at costs too."""
    if all(study.spec.objectives == MIOU_ALONE for study in studies):
        return []
    return [("objectives", *(",".join(study.spec.objectives) for study in studies))]


def _origin(best: TrialRecord | None) -> str:
    return "-" if best is None else f"{best.number} ({best.point or best.sampled_by})"


def configuration_rows(studies: Sequence[StoredStudy]) -> list[Row]:
    """The parts of the best configurations that are not equal in all studies; a dash where a study has none."""
    bests = [best_record(study) for study in studies]
    flat = [dict(flatten(best.config_data or {})) if best is not None else {} for best in bests]
    names = list(dict.fromkeys(name for values in flat for name in values))
    rows = [(name, *(_cell(values.get(name)) for values in flat)) for name in names]
    return [row for row in rows if len(set(row[1:])) > 1]


def flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A nested configuration as dotted names and values; unused parts are left out."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case list():
            return "-".join(str(part) for part in value)
        case _:
            return str(value)
