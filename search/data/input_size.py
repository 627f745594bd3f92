"""The size at which networks train, and the scale of images that goes with it."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from search.data.dataset import freeze, stack
from search.data.samples import Samples
from search.errors import DataError

MAX_AREA = 256 * 256
STEP = 32
"""Sides of tiles can be halved five times; a network pads inside where that is not enough."""

MAX_TILES = 2
"""Tiles that span the median image along a side: with more, a tile would show too little of its surroundings."""


MOST_CHANNELS = 4
"""Channels that OpenCV averages at once."""


@dataclass(frozen=True, kw_only=True)
class InputSize:
    """Networks train on tiles of `height` x `width` pixels of images shrunk by `scale` (at most 1)."""

    height: int
    width: int
    scale: float


def choose_input_size(sizes: np.ndarray, requested: tuple[int, int] | None) -> InputSize:
    """The training size for images of these sizes (N, 2), height and width.

    `requested` None: the images' own size where all agree on one of at most 256 * 256 pixels, else multiples of 32 of
    at most that area, in the median image's aspect and no larger than it. `requested` (H, W) is taken as it is. In both
    cases images are shrunk, never enlarged, until the median one spans at most two tiles a side.
    Raises DataError where a requested side is below 32 pixels.
    """
    median = np.median(sizes, axis=0)
    if requested is not None and min(requested) < STEP:
        raise DataError(f"the input size needs at least {STEP} pixels a side, got {requested[0]}x{requested[1]}")
    if requested is not None:
        height, width = requested
    elif (sizes == sizes[0]).all() and sizes[0].prod() <= MAX_AREA:
        height, width = (int(side) for side in sizes[0])
    else:
        height, width = tile_size(median)
    scale = min(1.0, MAX_TILES * height / float(median[0]), MAX_TILES * width / float(median[1]))
    return InputSize(height=height, width=width, scale=scale)


def tile_size(median: np.ndarray) -> tuple[int, int]:
    """Height and width, multiples of 32, of at most 256 * 256 pixels and near the aspect of `median` (2,).

    An image more than 64 times as long as wide gets the longest tile that is 32 pixels wide.
    """
    shrink = min(1.0, float(np.sqrt(MAX_AREA / median.prod())))
    sides = [max(STEP, int(side * shrink) // STEP * STEP) for side in median]
    longest = MAX_AREA // min(sides) // STEP * STEP
    height, width = (min(side, longest) for side in sides)
    return height, width


def shrink_samples(samples: Samples, scale: float) -> Samples:
    """Images averaged over areas and masks by nearest neighbour to `scale` times their size; read-only."""
    if scale == 1:
        return samples
    images = [shrink(image, scale, cv2.INTER_AREA) for image in samples.images]
    masks = [shrink(mask, scale, cv2.INTER_NEAREST_EXACT) for mask in samples.masks]
    return Samples(images=stacked(images), masks=stacked(masks))


def shrink(array: np.ndarray, scale: float, interpolation: int) -> np.ndarray:
    """An array (H, W) or (H, W, C) at `scale` times its size, sides rounded."""
    if array.ndim == 3 and array.shape[2] > MOST_CHANNELS:
        return np.stack([shrink(channel, scale, interpolation) for channel in np.moveaxis(array, 2, 0)], axis=2)
    size = (max(1, round(array.shape[1] * scale)), max(1, round(array.shape[0] * scale)))
    return cv2.resize(array, size, interpolation=interpolation).reshape(size[1], size[0], *array.shape[2:])


def stacked(arrays: Sequence[np.ndarray]) -> np.ndarray | tuple[np.ndarray, ...]:
    """As `stack`, and read-only."""
    result = stack(arrays)
    freeze(result)
    return result
