"""Parallel coordinates: which values the best trials have in common. Axes lie, one below the other, to fit a phone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from search.reporting.blocks import Chart
from search.reporting.charts import (
    FAINT,
    GREY,
    INK,
    MIOU,
    PAPER,
    RANK_STYLES,
    annotate,
    axis,
    new_figure,
    option_text,
    plain,
    row_axis,
    ticks,
)
from search.reporting.importance_chart import NAME_LENGTH, important
from search.reporting.material import Material
from search.tuning.parameters import Parameter
from search.tuning.record import TrialRecord

ABSENT = -0.09
"""Where a line passes an axis whose parameter the trial does not have."""

LABEL_ROOM = 44
"""Characters of all labels below an axis together."""


def coordinate_blocks(material: Material) -> tuple[Chart, ...]:
    """The figure; none where no parameter is known to be important."""
    parameters = important(material)
    return (coordinates_chart(coordinates(material.ranked, parameters), parameters),) if parameters else ()


@dataclass(frozen=True, kw_only=True)
class Line:
    """A trial: its position (0 to 1) on each axis, None where it does not have that parameter, and its mIoU."""

    number: int
    value: float
    positions: tuple[float | None, ...]
    words: str


def coordinates(trials: Sequence[TrialRecord], parameters: Sequence[Parameter]) -> list[Line]:
    """A line for each trial, in their order."""
    return [
        Line(
            number=record.number,
            value=record.best_value or 0.0,
            positions=tuple(
                parameter.position(record.params[parameter.name]) if parameter.name in record.params else None
                for parameter in parameters
            ),
            words=trial_words(record, parameters),
        )
        for record in trials
    ]


def trial_words(record: TrialRecord, parameters: Sequence[Parameter]) -> str:
    """A trial, its value, and its values of these parameters, a line each, for plotly."""
    values = [
        f"{plain(parameter.name, NAME_LENGTH)}: {plain(option_text(record.params[parameter.name]))}"
        for parameter in parameters
        if parameter.name in record.params
    ]
    return "<br>".join([f"trial {record.number}, mIoU {record.best_value or 0.0:.4f}", *values])


def coordinates_chart(lines: Sequence[Line], parameters: Sequence[Parameter]) -> Chart:
    """The best trials in colour, the others in grey; the last axis is the mIoU."""
    low, high = min(line.value for line in lines), max(line.value for line in lines)
    rows = len(parameters) + 1
    figure = new_figure(
        height=64 * rows + 48,
        x=axis("", labels={}, span=(ABSENT - 0.03, 1.03), lines=False),
        y=row_axis(rows),
        legend=True,
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    axes = [(plain(parameter.name, NAME_LENGTH), short_labels(parameter)) for parameter in parameters]
    _add_axes(figure, [*axes, (MIOU, {0.0: f"{low:.3f}", 1.0: f"{high:.3f}"})])
    rest = lines[len(RANK_STYLES) :]
    if rest:
        figure.add_scatter(
            x=[x for line in rest for x in (*_places(line, low, high), None)],
            y=[y for _ in rest for y in (*range(rows), None)],
            mode="lines",
            line={"color": GREY, "width": 1},
            opacity=0.35,
            name="other trials",
            hovertext=[line.words for line in rest for _ in range(rows + 1)],
            hoverinfo="text",
        )
    for line, (color, symbol) in zip(lines, RANK_STYLES, strict=False):
        figure.add_scatter(
            x=_places(line, low, high),
            y=list(range(rows)),
            mode="lines+markers",
            line={"color": color, "width": 2},
            marker={"symbol": symbol, "size": 8},
            name=f"trial {line.number}",
            hovertext=[line.words] * rows,
            hoverinfo="text",
        )
    shown = min(len(lines), len(RANK_STYLES))
    return Chart(
        title=f"What the best {shown} trials have in common" if shown > 1 else "The parameters of the only trial",
        figure=figure,
        words="Each line is a trial and passes each parameter at its value, from the most important one at the top to "
        "the mIoU at the bottom. Where the coloured lines meet, the best trials agree. A line that passes left of an "
        "axis belongs to a trial without that parameter.",
    )


def short_labels(parameter: Parameter) -> dict[float, str]:
    """The labels below an axis: all that find room side by side, else shortened; of many, the first and the last."""
    labels = ticks(parameter)
    if not parameter.numeric and len(labels) > 8:
        labels = {at: label for at, label in labels.items() if at in (0.0, 1.0)}
    if sum(len(label) for label in labels.values()) <= LABEL_ROOM:
        return labels
    return ticks(parameter, length=max(4, LABEL_ROOM // len(labels))) if len(labels) > 2 else labels


def _places(line: Line, low: float, high: float) -> list[float]:
    own = [ABSENT if position is None else position for position in line.positions]
    return [*own, (line.value - low) / (high - low) if high > low else 1.0]


def _add_axes(figure: go.Figure, axes: Sequence[tuple[str, dict[float, str]]]) -> None:
    """Draw the axes at rows 0, 1, ...: a line, its name above, its labels below."""
    line = {"type": "line", "x0": 0, "x1": 1, "line": {"color": FAINT, "width": 1}, "layer": "below"}
    figure.update_layout(shapes=[{**line, "y0": row, "y1": row} for row in range(len(axes))])
    over = {"bgcolor": PAPER, "borderpad": 0, "opacity": 0.9}
    notes: list[dict[str, Any]] = []
    for row, (name, labels) in enumerate(axes):
        font = {"size": 12, "color": INK}
        notes.append(
            {**over, "x": 0, "xanchor": "left", "y": row - 0.12, "yanchor": "bottom", "text": name, "font": font}
        )
        for at, label in labels.items():
            anchor = "left" if at == 0 else "right" if at == 1 else "center"
            font = {"size": 11, "color": FAINT}
            notes.append(
                {**over, "x": at, "xanchor": anchor, "y": row + 0.08, "yanchor": "top", "text": label, "font": font}
            )
    annotate(figure, notes)
