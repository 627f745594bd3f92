"""Classes one by one: the IoU of each in the best trials, and which are taken for which."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.reporting.blocks import Block, Chart, Words
from search.reporting.charts import (
    INK,
    PAPER,
    RANK_STYLES,
    SCALE,
    add_row_names,
    annotate,
    axis,
    new_figure,
    plain,
    row_axis,
    scale_bar,
)
from search.reporting.material import Material
from search.tuning.record import TrialRecord
from spaces.facts import DataFacts

NAME_LENGTH, CELL_LENGTH = 40, 14
"""Characters of a class name above a row, and beside a matrix."""

MOST_WRITTEN = 10
"""Up to so many classes the shares are written into the matrix."""


def class_blocks(material: Material) -> tuple[Block, ...]:
    """Both figures; a sentence where the matrix is missing."""
    facts = material.spec.facts
    found = class_scores(material.ranked[: len(RANK_STYLES)], facts)
    blocks: list[Block] = [class_chart(found, facts)] if found else []
    validation = material.measured.validation
    if validation is None:
        return (*blocks, Words(text=material.not_validated))
    matrix = shares(validation.confusion, facts)
    title = f"Which classes trial {validation.trial} takes for which, on the validation images"
    return (*blocks, confusion_chart(matrix, facts.class_names, title)) if matrix.rows else tuple(blocks)


@dataclass(frozen=True, kw_only=True)
class Score:
    """The IoU of each class of the objective at the best epoch of a trial, None where it is not defined."""

    trial: int
    iou: tuple[float | None, ...]


def class_scores(trials: Sequence[TrialRecord], facts: DataFacts) -> list[Score]:
    """The scores of these trials, in their order; without those whose reports hold none."""
    found = []
    for record in trials:
        reports = [report for report in record.curve if report["epoch"] == record.best_epoch]
        if reports and len(reports[0]["class_iou"]) == facts.classes:
            values = reports[0]["class_iou"]
            found.append(Score(trial=record.number, iou=tuple(values[index] for index in facts.objective)))
    return found


def class_chart(found: Sequence[Score], facts: DataFacts) -> Chart:
    """A row for each class, a mark for each trial."""
    names = [facts.class_names[index] for index in facts.objective]
    labels = [plain(name, NAME_LENGTH) for name in names]
    figure = new_figure(
        height=52 * len(names) + 150,
        x=axis("validation IoU of the class (0 to 1)", span=(-0.02, 1.02)),
        y=row_axis(len(names)),
        legend=True,
    )
    add_row_names(figure, labels)
    for score, (color, symbol) in zip(found, RANK_STYLES, strict=False):
        rows = [row for row, value in enumerate(score.iou) if value is not None]
        figure.add_scatter(
            x=[score.iou[row] for row in rows],
            y=rows,
            mode="markers",
            marker={"color": color, "symbol": symbol, "size": 9},
            name=f"trial {score.trial}",
            hovertext=[f"trial {score.trial}<br>{labels[row]}: {score.iou[row]:.4f}" for row in rows],
            hoverinfo="text",
        )
    worst = min(
        (value, row) for row, value in enumerate(found[0].iou) if value is not None
    ) if any(value is not None for value in found[0].iou) else None  # fmt: skip
    title = "IoU of each class" if worst is None else f"The hardest class is {names[worst[1]]}, with IoU {worst[0]:.2f}"
    return Chart(
        title=title,
        figure=figure,
        words="Each mark is the IoU of a class at the epoch at which that trial was best; the mIoU is the mean of a "
        "trial's marks. Trials that differ in one class only differ in what they do about it.",
    )


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """For each class of the truth that has pixels (`rows`), how they are predicted: share and number a class."""

    rows: tuple[int, ...]
    shares: tuple[tuple[float, ...], ...]
    counts: tuple[tuple[int, ...], ...]


def shares(confusion: Sequence[Sequence[int]], facts: DataFacts) -> Matrix:
    """A confusion matrix of pixel counts with each row divided by its sum, ignored and absent classes left out."""
    rows = [row for row in range(len(confusion)) if row not in facts.ignored and sum(confusion[row])]
    return Matrix(
        rows=tuple(rows),
        shares=tuple(tuple(count / sum(confusion[row]) for count in confusion[row]) for row in rows),
        counts=tuple(tuple(confusion[row]) for row in rows),
    )


def confusion_chart(matrix: Matrix, class_names: Sequence[str], title: str) -> Chart:
    """The matrix as a map: truth downwards, prediction to the right."""
    names = [plain(name, CELL_LENGTH) for name in class_names]
    truth = {float(place): names[row] for place, row in enumerate(matrix.rows)}
    predicted = {float(column): name for column, name in enumerate(names)}
    y = axis("truth (class)", labels=truth, span=(len(truth) - 0.5, -0.5), lines=False)
    x = axis("prediction (class)", labels=predicted, span=(-0.5, len(names) - 0.5), lines=False)
    written = len(names) <= MOST_WRITTEN
    figure = new_figure(height=min(760, 44 * len(truth) + (160 if written else 260)), x=x | {"tickangle": -90}, y=y)
    figure.add_heatmap(
        x=list(range(len(names))),
        y=list(range(len(truth))),
        z=[[100 * share for share in row] for row in matrix.shares],
        zmin=0,
        zmax=100,
        colorscale=SCALE,
        colorbar=scale_bar("share of the class (per cent)"),
        showscale=not written,
        hovertext=[
            [
                f"truth: {truth[float(place)]}<br>predicted as: {name}<br>{100 * share:.1f} per cent, {count:,} pixels"
                for name, share, count in zip(names, row, counts, strict=True)
            ]
            for place, (row, counts) in enumerate(zip(matrix.shares, matrix.counts, strict=True))
        ],
        hoverinfo="text",
    )
    if written:
        annotate(
            figure,
            [
                {
                    "x": column,
                    "y": place,
                    "text": f"{100 * share:.0f}",
                    "font": {"color": PAPER if share < 0.5 else INK},
                }
                for place, row in enumerate(matrix.shares)
                for column, share in enumerate(row)
            ],
        )
    return Chart(
        title=title,
        figure=figure,
        words="A row holds all pixels of one true class, and sums to 100 per cent; on the diagonal they are predicted "
        "rightly. Point at a cell for the number of pixels. A large share off the diagonal names two classes that are "
        "taken for each other.",
    )
