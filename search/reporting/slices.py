"""Slices: the value of every trial against one parameter at a time."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.reporting.blocks import Chart
from search.reporting.charts import INK, axis, ends, new_figure, number_text, option_text, spread_out, ticks
from search.reporting.history import Point, add_kinds, points
from search.reporting.importance_chart import important
from search.reporting.material import Material
from search.tuning.parameters import Parameter
from search.tuning.record import TrialRecord

LABEL_ROOM = 40
"""Characters of all options together below an axis."""

BEST_SHARE = 4
"""The best quarter of the trials says where good values lie."""


def slice_blocks(material: Material) -> tuple[Chart, ...]:
    """A figure for each important parameter, all with the same scale of mIoU."""
    found = points(material.records, running=material.running)
    values = [point.value for point in found]
    by_number = {record.number: record for record in material.records}
    span = padded(min(values), max(values)) if values else (0.0, 1.0)
    return tuple(
        slice_chart(slice_of(found, by_number, parameter), len(found), span) for parameter in important(material)
    )


def padded(low: float, high: float) -> tuple[float, float]:
    """A range with a little room on both sides."""
    room = max(0.02, 0.05 * (high - low))
    return low - room, high + room


@dataclass(frozen=True, kw_only=True)
class Slice:
    """The trials that have a parameter, by number, and their positions in its range."""

    parameter: Parameter
    points: tuple[Point, ...]
    positions: tuple[float, ...]

    @property
    def means(self) -> dict[float, float]:
        """The mean mIoU at each option, by position; empty for a range."""
        if self.parameter.numeric:
            return {}
        found: dict[float, list[float]] = {}
        for position, point in zip(self.positions, self.points, strict=True):
            found.setdefault(position, []).append(point.value)
        return {position: statistics.fmean(values) for position, values in sorted(found.items())}

    @property
    def best_range(self) -> tuple[float, float]:
        """The lowest and highest position of the best quarter of the trials, at least two of them where there are."""
        count = max(2, len(self.points) // BEST_SHARE)
        order = sorted(range(len(self.points)), key=lambda at: -self.points[at].value)[:count]
        chosen = [self.positions[at] for at in order]
        return min(chosen), max(chosen)


def slice_of(found: Sequence[Point], records: Mapping[int, TrialRecord], parameter: Parameter) -> Slice:
    """The points of the trials that have the parameter."""
    having = [point for point in found if parameter.name in records[point.number].params]
    return Slice(
        parameter=parameter,
        points=tuple(having),
        positions=tuple(parameter.position(records[point.number].params[parameter.name]) for point in having),
    )


def slice_chart(data: Slice, trials: int, span: tuple[float, float]) -> Chart:
    """The figure of one slice, small."""
    parameter = data.parameter
    options = len(parameter.options)
    labels = ticks(parameter, length=max(6, LABEL_ROOM // max(1, options)))
    width = 0.0 if parameter.numeric else 0.4 / max(1, options - 1)
    x = axis(_unit(parameter), labels=labels, span=ends(parameter), lines=parameter.numeric)
    figure = new_figure(height=300, x=x, y=axis(MIOU_SHORT, span=span))
    figure.update_layout(margin={"t": 8})
    add_kinds(
        figure,
        data.points,
        [at + spread_out(point.number, width) for at, point in zip(data.positions, data.points, strict=True)],
    )
    for at, mean in data.means.items():
        figure.add_scatter(
            x=[at - width, at + width], y=[mean, mean], mode="lines", line={"color": INK, "width": 2},
            hovertext=f"mean {mean:.4f}", hoverinfo="text",
        )  # fmt: skip
    marks = "; black lines are the means of the options" if data.means else ""
    return Chart(
        title=slice_title(data),
        figure=figure,
        words=f"In {len(data.points)} of {trials} trials; {kinds_text(data.points)}{marks}.",
        small=True,
    )


MARKS = {
    "complete": "blue circles",
    "pruned": "orange diamonds",
    "running": "green triangles",
    "to be continued": "sky blue triangles",
}
"""The kinds of trials with a value that counts, in the words of `KIND_STYLES`."""


def kinds_text(found: Sequence[Point]) -> str:
    """What the marks of these trials stand for: `blue circles: complete, orange diamonds: pruned`."""
    present = {point.kind for point in found}
    return ", ".join(f"{mark}: {kind}" for kind, mark in MARKS.items() if kind in present)


MIOU_SHORT = "mIoU (0 to 1)"


def slice_title(data: Slice) -> str:
    """Where good values lie: the option with the highest mean, or the range of the best quarter."""
    parameter = data.parameter
    if not parameter.numeric:
        best = max(data.means, key=lambda at: data.means[at])
        option = next(option for option in parameter.options if parameter.position(option) == best)
        return f"{parameter.name}: {option_text(option)} has the highest mean"
    low, high = (number_text(parameter, parameter.value(at)) for at in data.best_range)
    where = f"is at {low}" if low == high else f"lies within {low} to {high}"
    return f"{parameter.name}: the best quarter {where}"


def _unit(parameter: Parameter) -> str:
    if not parameter.numeric:
        return "option"
    return "value, logarithmic scale" if parameter.log else "value"
