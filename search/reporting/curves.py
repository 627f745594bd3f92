"""Learning curves: validation mIoU after each epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.reporting.blocks import Chart
from search.reporting.charts import GREY, MIOU, RANK_STYLES, axis, new_figure
from search.reporting.material import Material
from search.tuning.record import TrialRecord
from search.tuning.spec import StudySpec
from search.words import plural

RUNG_LINE = "#c3c8d0"


def curve_blocks(material: Material) -> tuple[Chart, ...]:
    """The figure; none before the first epoch."""
    return (curves_chart(material.ranked, material.spec),) if material.ranked else ()


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The epochs and values of one trial, or of several with a gap (None) between them, and the trial of each."""

    epochs: tuple[int | None, ...]
    values: tuple[float | None, ...]
    trials: tuple[int | None, ...]


def joined(trials: Sequence[TrialRecord]) -> Curve:
    """The curves of several trials as one line with gaps: hundreds of lines of their own would make a page slow."""
    entries = [
        entry
        for record in trials
        for entry in (*((epoch, value, record.number) for epoch, value in sorted(record.values.items())), (None,) * 3)
    ]
    epochs, values, numbers = zip(*entries[:-1], strict=True) if entries else ((), (), ())
    return Curve(epochs=epochs, values=values, trials=numbers)


def curves_chart(trials: Sequence[TrialRecord], spec: StudySpec) -> Chart:
    """The learning curves of `trials` (best first): the best ones in colour, the others in grey."""
    figure = new_figure(
        height=420, x=axis("epoch (number)", span=(0.5, spec.max_epochs + 0.5)), y=axis(MIOU), legend=True
    )
    for rung in spec.rungs:
        figure.add_vline(x=rung, line={"color": RUNG_LINE, "dash": "dot", "width": 1})
    rest = joined(trials[len(RANK_STYLES) :])
    if rest.epochs:
        figure.add_scatter(
            x=rest.epochs,
            y=rest.values,
            mode="lines",
            line={"color": GREY, "width": 1},
            opacity=0.5,
            name=plural(len(trials) - len(RANK_STYLES), "other trial"),
            hovertext=[f"trial {number}" for number in rest.trials],
            hoverinfo="text",
        )
    for record, (color, symbol) in zip(trials, RANK_STYLES, strict=False):
        curve = joined([record])
        figure.add_scatter(
            x=curve.epochs,
            y=curve.values,
            mode="lines+markers",
            line={"color": color, "width": 2},
            marker={"symbol": symbol, "size": 6},
            name=f"trial {record.number}",
            hovertext=[
                f"trial {record.number}, epoch {epoch}<br>mIoU {value:.4f}"
                for epoch, value in zip(curve.epochs, curve.values, strict=True)
            ],
            hoverinfo="text",
        )
    best = trials[0]
    return Chart(
        title=f"The best trial, {best.number}, was at its best after epoch {best.best_epoch} of {spec.max_epochs}",
        figure=figure,
        words="Validation mIoU after each epoch; dotted lines are rungs, at which trials may be stopped. Curves that "
        "still rise at the end ask for more epochs, those that fall for fewer, or for more regularization.",
    )
