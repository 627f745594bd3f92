"""A trial's learning curve: a figure (SVG) and a table (CSV). Text of the data is escaped in both.

The figure is drawn when it is looked at, from the reports that the study holds; no library is needed for two panels of
lines, and the dashboard shows an SVG as an image, in which nothing runs.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from search.training.palette import CLASS_COLORS
from search.tuning.record import TrialRecord
from search.tuning.spec import StudySpec

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT = 58, 560
"""Left and right edge of both panels; the legend stands to the right."""

IOU_TOP, IOU_BOTTOM = 56, 276
LOSS_TOP, LOSS_BOTTOM = 316, 388
LEGEND = RIGHT + 18
LINE = 18
MOST_CLASSES = 12
LONGEST_NAME = 18
INK, FAINT, GRID = "#202020", "#6e6e6e", "#e2e2e2"
MEAN, LOSS = "#202020", "#5b6b8c"

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A rectangle for lines: epochs from 1 to `epochs` across, values from `low` to `high` upwards."""

    epochs: int
    low: float
    high: float
    top: int
    bottom: int

    def at(self, epoch: float, value: float) -> Point:
        """Where a value stands, in pixels."""
        across = (epoch - 1) / max(1, self.epochs - 1)
        upwards = (value - self.low) / max(1e-12, self.high - self.low)
        return LEFT + across * (RIGHT - LEFT), self.bottom - upwards * (self.bottom - self.top)


def curve_csv(record: TrialRecord, spec: StudySpec) -> str:
    """One line an epoch: mIoU, the IoU of each class that counts, loss, learning rate, seconds."""
    objective, names = spec.facts.objective, spec.facts.class_names
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["epoch", "mIoU", *(f"IoU {names[i]}" for i in objective), "loss", "learning rate", "seconds"])
    for entry in record.curve:
        values = [_class_value(entry, index) for index in objective]
        ious = ["" if value is None else f"{value:.6f}" for value in values]
        rest = [f"{entry['train_loss']:.6g}", f"{entry['learning_rate']:.6g}", f"{entry['seconds']:.2f}"]
        writer.writerow([entry["epoch"], f"{entry['miou']:.6f}", *ious, *rest])
    return buffer.getvalue()


def curve_svg(record: TrialRecord, spec: StudySpec) -> str:
    """Two panels over the epochs: mIoU with the IoU of each class, and the training loss."""
    losses = [entry["train_loss"] for entry in record.curve]
    low, high = (min(losses), max(losses)) if losses else (0.0, 1.0)
    ious = Panel(epochs=spec.max_epochs, low=0.0, high=1.0, top=IOU_TOP, bottom=IOU_BOTTOM)
    loss = Panel(
        epochs=spec.max_epochs,
        low=low - 0.05 * (high - low),
        high=high if high > low else low + 1,
        top=LOSS_TOP,
        bottom=LOSS_BOTTOM,
    )
    title = f"Trial {record.number}: validation IoU and training loss after each epoch"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'font-family="sans-serif" font-size="13" fill="{INK}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            _text(LEFT, 22, title, size=15),
            *_frame(ious, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), "IoU", spec.rungs),
            *_frame(loss, (low, high) if high > low else (low,), "loss", spec.rungs),
            *_epochs(loss),
            *_classes(record, spec, ious),
            *_line([ious.at(e["epoch"], e["miou"]) for e in record.curve], MEAN, width=3),
            *_best(record, ious),
            *_line([loss.at(e["epoch"], e["train_loss"]) for e in record.curve], LOSS, width=2),
            *_legend(record, spec),
            "</svg>\n",
        ]
    )


def _class_value(entry: dict, index: int) -> float | None:
    values: Sequence[float | None] = entry["class_iou"]
    return values[index] if index < len(values) else None


def _frame(panel: Panel, ticks: Sequence[float], name: str, rungs: Sequence[int]) -> list[str]:
    """Grid lines with their values, the name of the axis, and a dashed line at each rung."""
    parts = []
    for tick in ticks:
        _, y = panel.at(1, tick)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}" stroke="{GRID}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{tick:.1f}" if name == "IoU" else f"{tick:.3g}", anchor="end"))
    for rung in rungs:
        x, _ = panel.at(rung, panel.low)
        parts.append(
            f'<line x1="{x:.1f}" y1="{panel.top}" x2="{x:.1f}" y2="{panel.bottom}" stroke="{FAINT}" '
            'stroke-dasharray="3 4"/>'
        )
    parts.append(_text(LEFT, panel.top - 8, name, color=FAINT))
    return parts


def _epochs(panel: Panel) -> list[str]:
    """The axis of epochs below the lower panel: at most eight whole numbers."""
    step = max(1, -(-(panel.epochs - 1) // 7))
    ticks = [*range(1, panel.epochs + 1, step)]
    labels = [_text(panel.at(tick, 0)[0], panel.bottom + 18, str(tick), anchor="middle") for tick in ticks]
    return [*labels, _text((LEFT + RIGHT) / 2, panel.bottom + 38, "epoch", anchor="middle", color=FAINT)]


def _shown_classes(spec: StudySpec) -> tuple[int, ...]:
    return spec.facts.objective[:MOST_CLASSES]


def _classes(record: TrialRecord, spec: StudySpec, panel: Panel) -> list[str]:
    parts = []
    for index in _shown_classes(spec):
        values = [(entry["epoch"], _class_value(entry, index)) for entry in record.curve]
        points = [panel.at(epoch, value) for epoch, value in values if value is not None]
        parts += [*_line(points, FAINT, width=2.6), *_line(points, _color(index), width=1.8)]  # edged: yellow on white
    return parts


def _best(record: TrialRecord, panel: Panel) -> list[str]:
    if record.best_value is None:
        return []
    x, y = panel.at(record.best_epoch, record.best_value)
    return [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#ffffff" stroke="{MEAN}" stroke-width="2"/>']


def _legend(record: TrialRecord, spec: StudySpec) -> list[str]:
    """What each line is, with its value at the best epoch."""
    report = next((entry for entry in record.curve if entry["epoch"] == record.best_epoch), None)
    mean = "" if report is None else f" {report['miou']:.3f}"
    entries = [(MEAN, f"mean (mIoU){mean}")]
    for index in _shown_classes(spec):
        value = None if report is None else _class_value(report, index)
        name = " ".join(spec.facts.class_names[index].split())
        short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."
        entries.append((_color(index), short if value is None else f"{short} {value:.3f}"))
    parts = [_text(LEGEND, IOU_TOP - 8, f"at epoch {record.best_epoch}" if report else "", color=FAINT)]
    for row, (color, words) in enumerate(entries):
        y = IOU_TOP + 8 + row * LINE
        parts.append(f'<rect x="{LEGEND}" y="{y - 5}" width="16" height="6" fill="{color}" stroke="{FAINT}"/>')
        parts.append(_text(LEGEND + 24, y + 3, words))
    rest = len(spec.facts.objective) - MOST_CLASSES
    notes = [f"and {rest} more classes"] if rest > 0 else []
    notes += ["dashed: rungs"] if spec.rungs else []
    first = IOU_TOP + 14 + len(entries) * LINE
    return [*parts, *(_text(LEGEND, first + row * LINE, note, color=FAINT) for row, note in enumerate(notes))]


def _line(points: Sequence[Point], color: str, *, width: float) -> list[str]:
    """A line through points; a dot where there is one alone."""
    if not points:
        return []
    if len(points) == 1:
        ((x, y),) = points
        return [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width + 1}" fill="{color}"/>']
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return [f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"/>']


def _text(x: float, y: float, words: str, *, size: int = 13, anchor: str = "start", color: str = INK) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text {place} font-size="{size}" text-anchor="{anchor}" fill="{color}">{escape(words)}</text>'


def _color(index: int) -> str:
    red, green, blue = CLASS_COLORS[index % len(CLASS_COLORS)].tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"
