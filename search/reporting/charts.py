"""How all figures look: one font, few lines, the colours of Okabe and Ito, axes that name their unit."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from search.tuning.parameters import Parameter
from search.words import count_text
from spaces.domains import Scalar

INK, FAINT, GRID, PAPER = "#1f2328", "#6b7280", "#e5e7eb", "#ffffff"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY = "#CC79A7", "#56B4E9", "#9ca3af"
SCALE = "Cividis"
"""Of values: dark blue to yellow, the same to all kinds of colour vision (Nunez et al. 2018)."""

KIND_STYLES = {
    "complete": (BLUE, "circle"),
    "pruned": (ORANGE, "diamond"),
    "refused": (GREY, "square"),
    "failed": (VERMILLION, "x"),
    "running": (GREEN, "triangle-up"),
    "to be continued": (SKY, "triangle-right"),
}
"""Colour and symbol of each kind of trial, in the order of `search.tuning.overview.KINDS`."""

RANK_STYLES = (
    (BLUE, "circle"),
    (VERMILLION, "square"),
    (GREEN, "diamond"),
    (PURPLE, "triangle-up"),
    (ORANGE, "cross"),
    (SKY, "star"),
)
"""Colour and symbol of the best trials, the same in every figure."""

MIOU = "validation mIoU (0 to 1)"
TITLE_LENGTH = 38
"""Characters of a line of an axis title: as many as a phone has room for beside the labels."""

LABEL_LENGTH = 28


def plain(text: object, length: int | None = None) -> str:
    """Text that plotly shows as it is, on one line, cut to `length`: plotly takes <b>, <a> and &amp; for markup."""
    words = " ".join(str(text).split())
    if length is not None and len(words) > length:
        words = f"{words[: length - 1].rstrip()}…"
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def wrapped(title: str) -> str:
    """The title of an axis in `plain` lines."""
    return "<br>".join(plain(line) for line in textwrap.wrap(title, TITLE_LENGTH))


def option_text(value: Scalar) -> str:
    """A value of a parameter in words: `on`, `none`, `0.0012`."""
    match value:
        case True:
            return "on"
        case False:
            return "off"
        case None:
            return "none"
        case float():
            return f"{value:.3g}"
        case _:
            return str(value)


def ticks(parameter: Parameter, *, length: int = LABEL_LENGTH) -> dict[float, str]:
    """Where the values of a parameter are written, by position: every option, or five numbers of a range."""
    if not parameter.numeric:
        return {parameter.position(option): plain(option_text(option), length) for option in parameter.options}
    if parameter.whole and parameter.high - parameter.low <= 8:
        numbers = [float(number) for number in range(int(parameter.low), int(parameter.high) + 1)]
        return {parameter.position(number): f"{number:g}" for number in numbers}
    return {step / 4: number_text(parameter, parameter.value(step / 4)) for step in range(5)}


def number_text(parameter: Parameter, value: float) -> str:
    """A number of a range, with as many digits as tell a hundredth of the range from the next."""
    if parameter.whole:
        return f"{round(value)}"
    if parameter.log:
        return f"{value:.2g}"
    digits = max(0, math.ceil(2 - math.log10(parameter.high - parameter.low))) if parameter.high > parameter.low else 3
    return f"{round(value, digits):g}"


def log_ticks(values: Sequence[float]) -> dict[float, str]:
    """Labels of a logarithmic axis for these values: powers of ten, with multiples of them where few are.

    Values within a factor of four get four even steps.
    """
    if max(values) < 4 * min(values):
        step = (max(values) - min(values)) / 3
        even = [min(values) + place * step for place in range(4)] if step else [min(values)]
        return {mark: count_text(mark) if mark >= 1000 else f"{mark:.3g}" for mark in even}
    low, high = math.floor(math.log10(min(values)) - 0.1), math.ceil(math.log10(max(values)) + 0.1)
    inside = (0.7 * min(values), 1.4 * max(values))
    for steps in ((1,), (1, 3), (1, 2, 5), range(1, 10)):
        marks = [step * 10.0**power for power in range(low, high + 1) for step in steps]
        shown = [mark for mark in marks if inside[0] <= mark <= inside[1]]
        if len(shown) >= 3:
            break
    return {mark: count_text(mark) if mark >= 1000 else f"{mark:g}" for mark in shown}


def ends(parameter: Parameter) -> tuple[float, float]:
    """The positions at which the axis of a parameter ends: half an option beyond the outer ones, or a little room."""
    room = 0.05 if parameter.numeric else 0.5 / max(1, len(parameter.options) - 1)
    return -room, 1 + room if len(parameter.options) != 1 else room


def axis(
    title: str,
    *,
    log: bool = False,
    labels: Mapping[float, str] | None = None,
    span: tuple[float, float] | None = None,
    lines: bool = True,
) -> dict[str, Any]:
    """An axis with its title and unit. `labels` are texts by position, already `plain`; `span` its two ends."""
    settings: dict[str, Any] = {
        "title": {"text": wrapped(title), "standoff": 8, "font": {"size": 13}},
        "type": "log" if log else "linear",
        "automargin": True,
        "showgrid": lines,
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": GRID,
        "ticks": "outside",
        "ticklabeloverflow": "allow",
        "tickcolor": GRID,
    }
    if log:
        settings["minor"] = {"showgrid": False}
    if labels is not None:
        settings |= {"tickmode": "array", "tickvals": list(labels), "ticktext": list(labels.values())}
    if span is not None:
        settings["range"] = list(span)
    return settings


def new_figure(*, height: int, x: dict[str, Any], y: dict[str, Any], legend: bool = False) -> go.Figure:
    """An empty figure of `height` pixels, as wide as the page allows; its legend is above it."""
    return go.Figure(
        layout={
            "template": "none",
            "height": height,
            "autosize": True,
            "margin": {"l": 8, "r": 12, "t": 36 if legend else 12, "b": 8},
            "font": {"family": FONT, "size": 13, "color": INK},
            "paper_bgcolor": PAPER,
            "plot_bgcolor": PAPER,
            "hoverlabel": {"bgcolor": PAPER, "bordercolor": GREY, "font": {"color": INK, "family": FONT}},
            "showlegend": legend,
            "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom"},
            "xaxis": x,
            "yaxis": y,
        }
    )


def annotate(figure: go.Figure, notes: Sequence[dict[str, Any]]) -> None:
    """Add annotations without arrows. All at once: plotly checks all that are there again at each call."""
    added = [{"showarrow": False, **note} for note in notes]
    figure.update_layout(annotations=[*(figure.layout["annotations"] or ()), *added])


def add_row_names(figure: go.Figure, names: Sequence[str]) -> None:
    """Write the names of rows 0, 1, ... above them, already `plain`: beside them, they would take half of a phone."""
    place = {"x": 0, "xref": "paper", "xanchor": "left", "yanchor": "bottom", "font": {"size": 12}}
    annotate(figure, [{**place, "y": row - 0.22, "text": name} for row, name in enumerate(names)])


def row_axis(rows: int) -> dict[str, Any]:
    """The axis of rows whose names stand above them."""
    return axis("", labels={}, span=(rows - 0.6, -0.75), lines=False)


def scale_bar(title: str) -> dict[str, Any]:
    """The legend of a colour scale, below the figure: beside it, it would take half of a phone."""
    return {
        "title": {"text": wrapped(title), "side": "bottom", "font": {"size": 13}},
        "orientation": "h",
        "thickness": 12,
        "x": 0.5,
        "xanchor": "center",
        "y": -0.3,
        "yanchor": "top",
        "outlinewidth": 0,
    }


def spread_out(number: int, width: float) -> float:
    """A shift in -width / 2 to width / 2 that follows from a trial's number: keeps points of one place apart."""
    return (number * 0.618034 % 1 - 0.5) * width
