"""Pictures of what a trial's network predicts: a few validation images, the same ones in every epoch.

Drawing reads the network and changes nothing, so a trial has the same curve with and without pictures.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from search.data.counts import pixel_counts
from search.data.samples import VOID, Samples, TrialData
from search.training.compute import Compute
from search.training.outcome import EpochReport
from search.training.palette import colored, stripes
from search.training.validation import predict
from spaces.facts import DataFacts

FEWEST, MOST = 4, 6
"""Images in a picture: one a class of the objective, within these bounds."""

WELL_SHOWN, VARIETY_WEIGHT = 0.2, 0.1
"""Share of an image at which a class is shown well; what the variety of classes weighs against a class that is new."""

PANEL = 256
"""The longest side of a panel in pixels. Small images are enlarged by a whole number, large ones shrunk."""

MARGIN, GAP = 24, 12
TITLE, LINE, CAPTION = 40, 26, 22
"""Heights in pixels of the title, a line of the legend or the headings, and the words above each image."""

COLUMNS = ("image", "truth", "prediction", "where they differ")
PAPER, INK, FAINT = (255, 255, 255), (32, 32, 32), (110, 110, 110)
WRONG = (255, 110, 180)
DIMMED, TINTED = 0.3, 0.35
"""What is left of an image's brightness where truth and prediction agree, and under `WRONG` where they differ."""

SWATCH = 14
MOST_NAMES, NAME_LENGTH = 20, 24


class EpochPictures:
    """Draws the same few validation images after any epoch."""

    def __init__(self, data: TrialData) -> None:
        self._numbers = choose_images(data.validation, data.facts)
        self._data = replace(data, validation=_select(data.validation, self._numbers))

    def draw(self, model: nn.Module, report: EpochReport, compute: Compute) -> bytes:
        """A PNG file: image, truth, prediction, and where they differ. `model` is left in evaluation mode."""
        part = self._data.validation
        predicted = predict(model, self._data, compute)
        examples = [
            Example(number=number + 1, image=image, truth=truth, predicted=mask)
            for number, image, truth, mask in zip(self._numbers, part.images, part.masks, predicted, strict=True)
        ]
        return to_png(draw_page(examples, self._data.facts, report))


def _select(samples: Samples, indices: Sequence[int]) -> Samples:
    """The images at `indices`: one array where `samples` is one, so that they are predicted by the same path."""
    chosen = list(indices)
    if isinstance(samples.images, np.ndarray) and isinstance(samples.masks, np.ndarray):
        return Samples(images=samples.images[chosen], masks=samples.masks[chosen])
    return Samples(
        images=tuple(samples.images[index] for index in chosen), masks=tuple(samples.masks[index] for index in chosen)
    )


@dataclass(frozen=True, kw_only=True)
class Example:
    """Image (H, W, C), truth (H, W) and prediction (H, W), uint8, of validation image `number`, counted from 1."""

    number: int
    image: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray


def choose_images(validation: Samples, facts: DataFacts) -> tuple[int, ...]:
    """Indices of the images to draw, ascending: together they show every class of the objective, most of them mixed.

    One after the other the image is taken that adds most: a class counts as shown where it covers `WELL_SHOWN` of an
    image, or its largest share in any image if that is less, and in part below. Where nothing is to be added, and
    among equals, images of many classes are preferred that resemble none before: near-duplicates have equal shares.
    With as many images as classes, each class is there.
    """
    counts = pixel_counts(validation.masks)[:, list(facts.objective)]
    pixels = np.array([mask.size for mask in validation.masks])
    shares = counts / pixels[:, None]
    shown = np.minimum(1, shares / np.clip(shares.max(axis=0), 1e-12, WELL_SHOWN))
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1)
    variety = entropy / max(1e-12, entropy.max())
    added, unlike, chosen = np.zeros(shown.shape[1]), np.ones(len(shares)), []
    for _ in range(min(len(validation), max(FEWEST, min(MOST, len(facts.objective))))):
        gains = np.maximum(shown - added, 0).sum(axis=1) + VARIETY_WEIGHT * variety * unlike
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        added = np.maximum(added, shown[chosen[-1]])
        unlike = np.minimum(unlike, np.abs(shares - shares[chosen[-1]]).sum(axis=1) / 2)
    return tuple(sorted(chosen))


def draw_page(examples: Sequence[Example], facts: DataFacts, report: EpochReport) -> Image.Image:
    """All examples below a title and a legend of the classes with their IoU over the whole validation part."""
    legend = legend_lines(examples, facts, report)
    layout = Layout.of([example.truth.shape for example in examples], len(legend))
    page = Image.new("RGB", (layout.width, layout.height), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, MARGIN), f"epoch {report.epoch}: validation mIoU {report.miou:.4f}", INK, _font(24))
    words = f"the same {len(examples)} validation images in every epoch"
    pen.text((layout.width - MARGIN, MARGIN + 8), words, FAINT, _font(14), anchor="ra")
    _draw_legend(page, legend, layout)
    for column, heading in enumerate(COLUMNS):
        pen.text((layout.left(column), layout.headings), heading, INK, _font(16))
    for row, example in enumerate(examples):
        _draw_example(page, layout, row, example, facts)
    return page


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things are on a page, in pixels from its upper left corner; `sizes` are the panels' (height, width)."""

    sizes: tuple[tuple[int, int], ...]
    legend_lines: int

    @classmethod
    def of(cls, shapes: Sequence[tuple[int, ...]], legend_lines: int) -> "Layout":
        """The layout for images of these shapes (height, width)."""
        return cls(sizes=tuple(panel_size(*shape) for shape in shapes), legend_lines=legend_lines)

    @property
    def headings(self) -> int:
        """Top of the columns' headings."""
        return MARGIN + TITLE + self.legend_lines * LINE + GAP

    def left(self, column: int) -> int:
        """Left of the panels of a column."""
        return MARGIN + column * (PANEL + GAP)

    def top(self, row: int) -> int:
        """Top of the panels of a row; their caption is above it."""
        above = sum(height + CAPTION + GAP for height, _ in self.sizes[:row])
        return self.headings + LINE + above + CAPTION

    @property
    def width(self) -> int:
        """Width of the page."""
        return self.left(len(COLUMNS)) - GAP + MARGIN

    @property
    def height(self) -> int:
        """Height of the page."""
        return self.top(len(self.sizes)) - CAPTION - GAP + MARGIN


def panel_size(height: int, width: int) -> tuple[int, int]:
    """Height and width at which an image is shown."""
    factor = PANEL / max(height, width)
    if factor >= 1:
        return height * int(factor), width * int(factor)
    return max(1, round(height * factor)), max(1, round(width * factor))


def to_png(page: Image.Image) -> bytes:
    """The page as the content of a PNG file."""
    buffer = io.BytesIO()
    page.save(buffer, format="PNG")
    return buffer.getvalue()


def visible(image: np.ndarray) -> np.ndarray:
    """An image (H, W, C) as RGB (H, W, 3): its first three channels, or the first in grey where there are fewer.

    Dark images are brightened until a hundredth of their values is full.
    """
    shown = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
    return np.minimum(255, np.rint(shown * (255 / max(1.0, float(np.percentile(shown, 99)))))).astype(np.uint8)


def tinted(grey: np.ndarray) -> np.ndarray:
    """Grey values (..., 3) from 0 to 255 in the colour of what differs."""
    return TINTED * grey + (1 - TINTED) * np.array(WRONG)


def panels(example: Example, facts: DataFacts) -> tuple[np.ndarray, ...]:
    """The four panels of an example, (h, w, 3) uint8 at their `panel_size`, in the order of `COLUMNS`."""
    size = panel_size(*example.truth.shape)
    image = _resized(visible(example.image), size, Image.Resampling.BOX)
    truth, predicted = (_resized(mask, size, Image.Resampling.NEAREST) for mask in (example.truth, example.predicted))
    void, pattern = truth[..., None] == VOID, stripes(*size)
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    differing = np.where((truth != predicted)[..., None], tinted(grey), DIMMED * grey).astype(np.uint8)
    uncounted = np.isin(truth, (*facts.ignored, VOID))[..., None]
    return (
        image,
        np.where(void, pattern, colored(truth)),
        colored(predicted),
        np.where(uncounted, pattern, differing),
    )


def differing_share(example: Example, facts: DataFacts) -> float | None:
    """Share of the pixels that count whose prediction is wrong, None where none counts."""
    counted = ~np.isin(example.truth, (*facts.ignored, VOID))
    return float((example.truth != example.predicted)[counted].mean()) if counted.any() else None


def _draw_example(page: Image.Image, layout: Layout, row: int, example: Example, facts: DataFacts) -> None:
    pen, font = ImageDraw.Draw(page), _font(13)
    top, share = layout.top(row), differing_share(example, facts)
    pen.text((layout.left(0), top - 5), f"validation image {example.number}", FAINT, font, anchor="ls")
    words = "no pixel that counts" if share is None else f"{share:.1%} of the pixels that count"
    pen.text((layout.left(3), top - 5), words, FAINT, font, anchor="ls")
    for column, panel in enumerate(panels(example, facts)):
        page.paste(Image.fromarray(panel), (layout.left(column), top))


Entry = tuple[np.ndarray, str]
"""A sample of a colour or pattern (h, w, 3), and what it stands for."""


def legend_lines(examples: Sequence[Example], facts: DataFacts, report: EpochReport) -> list[list[Entry]]:
    """The entries of the legend, four a line: the classes with their IoU, and on a line of its own what is no class."""
    named = _named_classes(examples, facts)
    classes = [(colored(np.full((SWATCH, SWATCH), index, np.uint8)), _words(index, facts, report)) for index in named]
    rest = facts.classes - len(named)
    wrong = tinted(np.full((SWATCH, SWATCH, 3), 127)).astype(np.uint8)
    others = [(wrong, "differs (last column)"), (stripes(SWATCH, SWATCH), "no label, or not counted")]
    if rest:
        others.append((np.full((SWATCH, SWATCH, 3), PAPER, np.uint8), f"{rest} more classes; colours repeat"))
    step = len(COLUMNS)
    return [*(classes[start : start + step] for start in range(0, len(classes), step)), others]


def _named_classes(examples: Sequence[Example], facts: DataFacts) -> list[int]:
    """Classes that the legend names: all, or where there are too many the first of those that the truth holds."""
    if facts.classes <= MOST_NAMES:
        return list(range(facts.classes))
    seen = np.unique(np.concatenate([np.unique(example.truth) for example in examples]))
    return [index for index in seen.tolist() if index != VOID][:MOST_NAMES]


def _words(index: int, facts: DataFacts, report: EpochReport) -> str:
    name = " ".join(facts.class_names[index].split())
    short = name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 3]}..."
    value = report.class_iou[index] if index < len(report.class_iou) else None
    if index in facts.ignored:
        return f"{short}, not counted"
    return short if value is None else f"{short}, IoU {value:.2f}"


def _draw_legend(page: Image.Image, lines: Sequence[Sequence[Entry]], layout: Layout) -> None:
    pen, font = ImageDraw.Draw(page), _font(14)
    for number, line in enumerate(lines):
        top = MARGIN + TITLE + number * LINE
        for column, (sample, words) in enumerate(line):
            left = layout.left(column)
            page.paste(Image.fromarray(sample), (left, top))
            pen.rectangle((left - 1, top - 1, left + SWATCH, top + SWATCH), outline=FAINT)
            pen.text((left + SWATCH + 8, top + SWATCH // 2), words, INK, font, anchor="lm")


def _resized(array: np.ndarray, size: tuple[int, int], resampling: Image.Resampling) -> np.ndarray:
    """An array (H, W) or (H, W, 3) uint8 at `size` (height, width); enlarged by repeating pixels."""
    larger = size[0] >= array.shape[0]
    shown = Image.fromarray(array).resize((size[1], size[0]), Image.Resampling.NEAREST if larger else resampling)
    return np.asarray(shown)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
