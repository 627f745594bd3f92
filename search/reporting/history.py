"""How the best value rose: against the trials, and against the time that was trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from search.reporting.blocks import Chart
from search.reporting.charts import BLUE, INK, KIND_STYLES, MIOU, axis, new_figure
from search.reporting.material import Material
from search.tuning.comparison import epochs_in_order
from search.tuning.overview import KINDS, kind_of
from search.tuning.record import TrialRecord, ranked
from search.words import duration_words, plural


def history_blocks(material: Material) -> tuple[Chart, ...]:
    """Both figures; none before the first epoch."""
    found = points(material.records, running=material.running)
    steps = best_by_time(material.records)
    return (by_trials_chart(found), *([by_time_chart(steps)] if steps else [])) if found else ()


@dataclass(frozen=True, kw_only=True)
class Point:
    """A trial with a value: its best validation mIoU, after which of how many epochs, and its kind."""

    number: int
    kind: str
    value: float
    epoch: int
    epochs: int

    @property
    def words(self) -> str:
        """What is shown of it where a finger or a mouse points."""
        return f"trial {self.number}, {self.kind}<br>mIoU {self.value:.4f}, epoch {self.epoch} of {self.epochs}"


def points(records: Sequence[TrialRecord], *, running: bool) -> list[Point]:
    """The trials with a value that counts, by number."""
    return [
        Point(
            number=record.number,
            kind=kind_of(record, running=running),
            value=record.best_value or 0.0,
            epoch=record.best_epoch,
            epochs=record.epochs,
        )
        for record in sorted(ranked(list(records)), key=lambda record: record.number)
    ]


def records_set(found: Sequence[Point]) -> list[tuple[int, float]]:
    """Number and value of each trial that was better than all before it."""
    best: list[tuple[int, float]] = []
    for point in found:
        if not best or point.value > best[-1][1]:
            best.append((point.number, point.value))
    return best


def best_by_time(records: Sequence[TrialRecord]) -> list[tuple[float, float]]:
    """Seconds that all trials had trained in sum, and the best value then: where it rose, and at the end.

    As in `search.tuning.comparison.best_after`: crashed and infeasible trials spend time and bring no value.
    """
    counted = {record.number for record in ranked(list(records))}
    spent, steps = 0.0, []
    for number, seconds, value in epochs_in_order(records):
        spent += seconds
        if number in counted and (not steps or value > steps[-1][1]):
            steps.append((spent, value))
    return [*steps, (spent, steps[-1][1])] if steps else []


def by_trials_chart(found: Sequence[Point]) -> Chart:
    """The value of each trial, and the best so far."""
    best = records_set(found)
    figure = new_figure(height=380, x=axis("trial (number)"), y=axis(MIOU), legend=True)
    figure.add_scatter(
        x=[number for number, _ in best] + [found[-1].number],
        y=[value for _, value in best] + [best[-1][1]],
        mode="lines",
        line={"shape": "hv", "color": INK, "width": 1.5},
        name="best so far",
        hoverinfo="skip",
    )
    add_kinds(figure, found, [point.number for point in found])
    first, last = best[0], best[-1]
    rose = f"rose from {first[1]:.4f} to {last[1]:.4f}" if len(best) > 1 else f"is {last[1]:.4f}"
    return Chart(
        title=f"The best validation mIoU {rose} over {plural(len(found), 'trial')} with a value (trial {last[0]})",
        figure=figure,
        words="Each mark is a trial with the best mIoU that it reached, the line the best of all trials so far. Pruned "
        "trials were stopped early and might have risen further. A line that is flat at the end says that more trials "
        "of this kind would bring little.",
    )


def add_kinds(figure: go.Figure, found: Sequence[Point], x: Sequence[float]) -> None:
    """Add a mark for each point at its `x`: one trace a kind, so that the legend names them."""
    for kind in KINDS:
        chosen = [index for index, point in enumerate(found) if point.kind == kind]
        if not chosen:
            continue
        color, symbol = KIND_STYLES[kind]
        figure.add_scatter(
            x=[x[index] for index in chosen],
            y=[found[index].value for index in chosen],
            mode="markers",
            marker={"color": color, "symbol": symbol, "size": 8, "line": {"color": "white", "width": 0.5}},
            name=kind,
            hovertext=[found[index].words for index in chosen],
            hoverinfo="text",
        )


def time_unit(seconds: float) -> tuple[float, str]:
    """How many seconds the unit has in which so long a time is shown, and its name."""
    if seconds < 180:
        return 1.0, "seconds"
    return (60.0, "minutes") if seconds < 3 * 3600 else (3600.0, "hours")


def by_time_chart(steps: Sequence[tuple[float, float]]) -> Chart:
    """The best value against the time that was trained."""
    size, unit = time_unit(steps[-1][0])
    figure = new_figure(height=320, x=axis(f"summed training time ({unit})"), y=axis(MIOU))
    figure.add_scatter(
        x=[seconds / size for seconds, _ in steps],
        y=[value for _, value in steps],
        mode="lines+markers",
        line={"shape": "hv", "color": BLUE, "width": 2},
        marker={"size": 5},
        hovertext=[f"after {duration_words(seconds)}<br>mIoU {value:.4f}" for seconds, value in steps],
        hoverinfo="text",
    )
    total, best = steps[-1]
    half = max(value for seconds, value in steps if seconds <= max(total / 2, steps[0][0]))
    gained = f"brought {best - half:+.4f}" if best > half else "brought nothing more"
    return Chart(
        title=f"The second half of {duration_words(total)} of training {gained}",
        figure=figure,
        words="The time of all trials is added, as if one had trained after the other: where several trained at the "
        "same time, the search took less. The epochs of trials that were pruned or failed count.",
    )
