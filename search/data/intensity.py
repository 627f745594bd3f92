"""Pixel values of any type as 8 bits, in one linear map for the whole data set, so that images stay comparable."""

from collections.abc import Sequence

import numpy as np

from search.data.dataset import IntensityRange
from search.errors import DataError


def check_finite(images: Sequence[np.ndarray] | np.ndarray, stems: Sequence[str]) -> None:
    """Raise DataError naming the images that hold NaN or infinite pixels."""
    if images[0].dtype.kind != "f":
        return
    broken = [stem for image, stem in zip(images, stems, strict=True) if not np.isfinite(image).all()]
    if broken:
        raise DataError(
            f"pixels must be finite numbers; {len(broken)} of {len(stems)} images hold NaN or infinite ones, the first "
            f"is {broken[0]!r}. Replace these pixels or remove the images"
        )


def own_range(images: Sequence[np.ndarray] | np.ndarray) -> IntensityRange:
    """Lowest and highest value of each channel over all images (H, W, C)."""
    lowest = np.min([image.min(axis=(0, 1)) for image in images], axis=0)
    highest = np.max([image.max(axis=(0, 1)) for image in images], axis=0)
    return tuple((float(low), float(high)) for low, high in zip(lowest, highest, strict=True))


def to_uint8(image: np.ndarray, intensity: IntensityRange) -> np.ndarray:
    """Map each channel of an image (..., C) linearly from its range to 0..255, rounded; values outside are clipped.

    A channel without any variation becomes 0.
    """
    low = np.array([low for low, _ in intensity], dtype=np.float64)
    span = np.array([high - low if high > low else np.inf for low, high in intensity], dtype=np.float64)
    return np.rint(np.clip((image - low) * (255 / span), 0, 255)).astype(np.uint8)
