"""What the search spent, and what went wrong: time by ending, failures and refusals by reason."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from search.reporting.blocks import Block, Chart, Table, Words
from search.reporting.charts import KIND_STYLES, add_row_names, axis, new_figure, row_axis
from search.reporting.history import time_unit
from search.reporting.material import Material
from search.tuning.overview import KINDS, kind_of
from search.tuning.record import TrialRecord
from search.words import duration_words, listed, plural

SHOWN_NUMBERS = 8
REASON_LENGTH = 200


def time_blocks(material: Material) -> tuple[Block, ...]:
    """Where the time went; a sentence before the first epoch."""
    spent = seconds_by_kind(material.records, running=material.running)
    if not sum(spent.values()):
        return (Words(text="No epoch has ended yet."),)
    return (time_chart(spent, material.records),)


def seconds_by_kind(records: Sequence[TrialRecord], *, running: bool) -> dict[str, float]:
    """Seconds of training and validation by kind of trial, kinds without a trial left out."""
    found = [(kind_of(record, running=running), record.seconds) for record in records]
    present = {kind for kind, _ in found}
    return {kind: sum(seconds for own, seconds in found if own == kind) for kind in KINDS if kind in present}


def time_chart(spent: dict[str, float], records: Sequence[TrialRecord]) -> Chart:
    """A bar for each kind of trial."""
    total = sum(spent.values())
    size, unit = time_unit(total)
    kinds = list(spent)
    figure = new_figure(
        height=52 * len(kinds) + 80, x=axis(f"training and validation time ({unit})"), y=row_axis(len(kinds))
    )
    add_row_names(figure, kinds)
    figure.add_bar(
        x=[seconds / size for seconds in spent.values()],
        y=list(range(len(kinds))),
        orientation="h",
        width=0.36,
        marker_color=[KIND_STYLES[kind][0] for kind in kinds],
        hovertext=[f"{kind}: {duration_words(seconds)}, {seconds / total:.0%}" for kind, seconds in spent.items()],
        hoverinfo="text",
    )
    most = max(spent, key=lambda kind: spent[kind])
    return Chart(
        title=f"{spent[most] / total:.0%} of {duration_words(total)} went to trials that are {most}",
        figure=figure,
        words=f"{total:,.0f} seconds over {plural(len(records), 'trial')}, added as if one had trained after the "
        "other; starting up and measuring are not counted, and refused trials take no time. Much time for complete "
        "trials means that few were pruned.",
    )


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why trials failed or were refused: what they have in common, and their numbers."""

    kind: str
    reason: str
    numbers: tuple[int, ...]


NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def reasons(records: Sequence[TrialRecord]) -> list[Reason]:
    """Failures, then refusals, each by reason, the most frequent first. Reasons that differ in numbers are one."""
    found: dict[tuple[str, str], list[TrialRecord]] = {}
    for record in records:
        if record.ending in ("failed", "refused"):
            found.setdefault((record.ending, NUMBER.sub("…", _last_line(record))), []).append(record)
    entries = [
        Reason(
            kind=kind,
            reason=_last_line(trials[0]) if len(trials) == 1 else common,
            numbers=tuple(record.number for record in trials),
        )
        for (kind, common), trials in found.items()
    ]
    return sorted(entries, key=lambda entry: (entry.kind, -len(entry.numbers), entry.numbers))


def _last_line(record: TrialRecord) -> str:
    """The line of a traceback that says what was wrong, or the reason itself."""
    lines = [line.strip() for line in record.reason.splitlines() if line.strip()]
    return lines[-1][:REASON_LENGTH] if lines else "no reason was recorded"


def failure_blocks(material: Material) -> tuple[Block, ...]:
    """The reasons as a table."""
    found = reasons(material.records)
    if not found:
        return (Words(text="No trial failed, and none was refused."),)
    return (
        Table(
            title=failure_title(found),
            headers=("ending", "reason", "trials", "which"),
            rows=tuple(
                (entry.kind, entry.reason, str(len(entry.numbers)), numbers_text(entry.numbers)) for entry in found
            ),
            numbers=(2,),
            words="A refused trial was over a limit and never trained. A failed one ran out of memory, lost its "
            "numbers (a loss that is not finite) or crashed twice. The sampler learns from all but crashes.",
        ),
    )


def failure_title(found: Sequence[Reason]) -> str:
    """How many trials failed and were refused: `1 trial failed and 2 trials were refused`."""
    counts = {kind: sum(len(entry.numbers) for entry in found if entry.kind == kind) for kind in ("failed", "refused")}
    failed, refused = plural(counts["failed"], "trial"), plural(counts["refused"], "trial")
    verb = "was" if counts["refused"] == 1 else "were"
    said = {"failed": f"{failed} failed", "refused": f"{refused} {verb} refused"}
    return listed([said[kind] for kind in said if counts[kind]])


def numbers_text(numbers: Sequence[int]) -> str:
    """Trial numbers, the first few: `3, 7, 9 and 12 more`."""
    shown = ", ".join(str(number) for number in numbers[:SHOWN_NUMBERS])
    rest = len(numbers) - SHOWN_NUMBERS
    return f"{shown} and {rest} more" if rest > 0 else shown
