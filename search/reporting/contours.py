"""Contours: the mean value of nearby trials over two important parameters together."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from search.reporting.blocks import Chart
from search.reporting.charts import INK, SCALE, axis, ends, new_figure, scale_bar, spread_out, ticks
from search.reporting.coordinates import trial_words
from search.reporting.importance_chart import important
from search.reporting.material import Material
from search.tuning.parameters import Parameter
from search.tuning.record import TrialRecord

PAIRED = 4
"""Of how many of the most important parameters pairs are formed."""

MOST_PAIRS = 4
FEWEST_TRIALS = 8
"""A pair is shown where at least so many trials have both."""

NEAR = 0.12
"""The standard deviation of the Gaussian that weighs trials, as a share of a range."""

SUPPORT = 0.2
"""Below this sum of weights nothing is drawn: no trial is within 1.8 standard deviations."""

STEPS = 25


def contour_blocks(material: Material) -> tuple[Chart, ...]:
    """A figure for each pair of the most important parameters that enough trials have."""
    pairs = combinations(important(material)[:PAIRED], 2)
    having = ((first, second, _having(material.ranked, first, second)) for first, second in pairs)
    enough = [entry for entry in having if len(entry[2]) >= FEWEST_TRIALS]
    return tuple(contour_chart(first, second, trials) for first, second, trials in enough[:MOST_PAIRS])


def _having(trials: Sequence[TrialRecord], first: Parameter, second: Parameter) -> list[TrialRecord]:
    return [record for record in trials if first.name in record.params and second.name in record.params]


@dataclass(frozen=True, kw_only=True)
class Surface:
    """The mean mIoU `values[j][i]` of the trials near position (x[i], y[j]), None where there are none."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    values: tuple[tuple[float | None, ...], ...]


def surface(trials: Sequence[TrialRecord], first: Parameter, second: Parameter) -> Surface:
    """The mean of the trials weighed by their distance (Nadaraya 1964), at each option or in `STEPS` steps of a range.

    Another option has no weight, however near it stands.
    """
    x, y = _grid(first), _grid(second)
    placed = [
        (first.position(record.params[first.name]), second.position(record.params[second.name]), record.best_value or 0)
        for record in trials
    ]
    rows = []
    for at_y in y:
        row: list[float | None] = []
        for at_x in x:
            weights = [_weight(first, at_x, px) * _weight(second, at_y, py) for px, py, _ in placed]
            total = sum(weights)
            mean = sum(weight * value for weight, (_, _, value) in zip(weights, placed, strict=True))
            row.append(mean / total if total >= SUPPORT else None)
        rows.append(tuple(row))
    return Surface(x=x, y=y, values=tuple(rows))


def _grid(parameter: Parameter) -> tuple[float, ...]:
    if parameter.numeric:
        return tuple(step / (STEPS - 1) for step in range(STEPS))
    return tuple(parameter.position(option) for option in parameter.options)


def _weight(parameter: Parameter, here: float, there: float) -> float:
    if not parameter.numeric:
        return 1.0 if math.isclose(here, there) else 0.0
    return math.exp(-0.5 * ((here - there) / NEAR) ** 2)


def contour_chart(first: Parameter, second: Parameter, trials: Sequence[TrialRecord]) -> Chart:
    """The surface, with the trials on it."""
    found = surface(trials, first, second)
    figure = new_figure(height=420, x=_axis(first), y=_axis(second))
    low, high = _span(found, trials)
    shown = {
        "x": found.x,
        "y": found.y,
        "z": found.values,
        "zmin": low,
        "zmax": high,
        "colorscale": SCALE,
        "colorbar": scale_bar("validation mIoU (0 to 1)"),
        "hoverinfo": "skip",
    }
    if first.numeric and second.numeric:
        figure.add_contour(**shown, ncontours=8, line={"width": 0.5})
    else:
        figure.add_heatmap(**shown)
    figure.add_scatter(
        x=list(_spread(first, trials)),
        y=list(_spread(second, trials)),
        mode="markers",
        marker={
            "color": [record.best_value for record in trials],
            "cmin": low,
            "cmax": high,
            "colorscale": SCALE,
            "size": 8,
            "line": {"color": INK, "width": 1},
        },
        hovertext=[trial_words(record, (first, second)) for record in trials],
        hoverinfo="text",
    )
    best = trials[0]
    return Chart(
        title=f"{first.name} with {second.name}",
        figure=figure,
        words=f"Colour is the mean mIoU of nearby trials, white where none is near; each mark is one of {len(trials)} "
        f"trials that have both, in the colour of its own mIoU, the best of them trial {best.number}.",
        small=True,
    )


def _span(found: Surface, trials: Sequence[TrialRecord]) -> tuple[float, float]:
    """The range of the colours of surface and marks: a coloraxis that filled contours share freezes plotly."""
    values = [value for row in found.values for value in row if value is not None]
    values += [record.best_value for record in trials if record.best_value is not None]
    return min(values), max(values)


def _axis(parameter: Parameter) -> dict[str, Any]:
    log = ", logarithmic scale" if parameter.log else ""
    kind = f"value{log}" if parameter.numeric else "option"
    title = f"{parameter.name} ({kind})"
    return axis(
        title,
        labels=ticks(parameter, length=max(6, 40 // max(1, len(parameter.options)))),
        span=ends(parameter),
        lines=False,
    )


def _spread(parameter: Parameter, trials: Sequence[TrialRecord]) -> Iterator[float]:
    width = 0.0 if parameter.numeric else 0.4 / max(1, len(parameter.options) - 1)
    for record in trials:
        yield parameter.position(record.params[parameter.name]) + spread_out(record.number, width)
