"""The trade-off between mIoU and costs, as far as a search has found it."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from search.terminal.lines import print_line
from search.terminal.tables import print_table
from search.tuning.front import front_of
from search.tuning.objectives import UNITS, Objective, Objectives, costs_of
from search.tuning.record import TrialRecord
from search.tuning.trial_folder import WEIGHTS_NAME, trial_folder
from search.words import count_text, value_text


def objective_words(objectives: Objectives) -> str:
    """What is searched for: `mIoU against latency (ms), parameters`."""
    names = [UNITS[objective] for objective in objectives]
    return f"{names[0]} against {', '.join(names[1:])}"


def print_front(console: Console, folder: Path, records: Sequence[TrialRecord], objectives: Objectives) -> None:
    """Print the front of a study of several objectives, and how to take a trial of it; nothing where no trial trained.

    `folder` is the study's.
    """
    front = front_of(records, objectives)
    if not front:
        return
    headers = ("trial", *(UNITS[objective] for objective in objectives), "state", "weights", "network")
    print_table(console, headers, [front_row(folder, record, objectives) for record in front])
    print_line(
        console,
        "the front: what is better in one of these columns is worse in another. search.export --trial N takes a trial "
        "whose weights are kept",
        style="dim",
    )


def front_row(folder: Path, record: TrialRecord, objectives: Objectives) -> tuple[str, ...]:
    """The cells of a trial of the front."""
    kept = (trial_folder(folder, record.number) / WEIGHTS_NAME).is_file()
    return (
        str(record.number),
        value_text(record.best_value),
        *(cost_text(cost, record.costs[cost]) for cost in costs_of(objectives)),
        "to be continued" if record.state == "WAITING" else record.state.lower(),
        "kept" if kept else "deleted",
        record.config.model.words,
    )


def cost_text(cost: Objective, value: float) -> str:
    """A latency in milliseconds with three digits, a count in words."""
    return f"{value:.3g}" if cost == "latency" else count_text(value)
