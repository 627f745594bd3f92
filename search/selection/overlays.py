"""An image with its predicted classes laid over it in colour, above a legend."""

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from search.selection.package.contents import Preprocessing
from search.training.palette import colored
from search.training.pictures import visible

SMALLEST = 256
"""The longest side, in pixels, that an image is shown with at least; smaller ones are enlarged by a whole number."""

MARGIN, SWATCH, LINE, FONT = 8, 14, 22, 14
NAME_LENGTH = 32
MOST_NAMES = 40
PAPER, INK, FRAME = (255, 255, 255), (32, 32, 32), (110, 110, 110)


def draw_overlay(image: np.ndarray, mask: np.ndarray, preprocessing: Preprocessing, alpha: float) -> Image.Image:
    """The image (H, W, C) uint8 under the colours of its mask (H, W) of class indices, which weigh `alpha`.

    The legend names the classes of this mask, those that fill most of it first, with their share of the pixels.
    """
    blended = np.rint((1 - alpha) * visible(image) + alpha * colored(mask)).astype(np.uint8)
    factor = max(1, SMALLEST // max(mask.shape))
    picture = np.repeat(np.repeat(blended, factor, axis=0), factor, axis=1)
    height, width = picture.shape[:2]
    page_width = max(width, SMALLEST)
    lines = legend_lines(mask, preprocessing, page_width)
    page = Image.new("RGB", (page_width, height + 2 * MARGIN + LINE * len(lines)), PAPER)
    page.paste(Image.fromarray(picture), (0, 0))
    pen = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        left, top = MARGIN, height + MARGIN + number * LINE
        for index, words in line:
            color = tuple(colored(np.array(index, dtype=np.uint8)).tolist())
            pen.rectangle((left, top, left + SWATCH, top + SWATCH), fill=color, outline=FRAME)
            pen.text((left + SWATCH + 6, top + SWATCH // 2), words, INK, _font(), anchor="lm")
            left += entry_width(words)
    return page


def legend_lines(mask: np.ndarray, preprocessing: Preprocessing, width: int) -> list[list[tuple[int, str]]]:
    """The classes of the mask with their words, in lines that fit `width` pixels, or of one entry."""
    counts = np.bincount(mask.ravel(), minlength=len(preprocessing.classes))
    order = [index for index in np.argsort(-counts, kind="stable").tolist() if counts[index]][:MOST_NAMES]
    lines: list[list[tuple[int, str]]] = []
    room = 0
    for index in order:
        words = f"{shortened(preprocessing.classes[index].name)} {counts[index] / mask.size:.0%}"
        needed = entry_width(words)
        if not lines or needed > room:
            lines.append([])
            room = width - MARGIN
        lines[-1].append((index, words))
        room -= needed
    return lines


def shortened(name: str) -> str:
    """A name in one line that fits a legend."""
    name = " ".join(name.split())
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 3]}..."


def entry_width(words: str) -> int:
    """The pixels that an entry of the legend takes, with the room behind it."""
    return SWATCH + 6 + round(_font().getlength(words)) + 2 * MARGIN


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT)
