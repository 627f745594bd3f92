"""Class weights from the pixel frequencies of the training data."""

from collections.abc import Sequence

import numpy as np

from spaces.losses import ClassWeights


def class_weights(
    config: ClassWeights | None, class_pixels: Sequence[int], excluded: Sequence[int] = ()
) -> tuple[float, ...]:
    """One weight a class: f^-exponent, at most `cap` times the smallest, scaled to mean 1.

    A class without training pixels, and the classes in `excluded`, meet no pixel of their own: they get weight 1 and
    take no part in the frequencies, the cap and the mean. Without a config every weight is 1.
    """
    weights = np.ones(len(class_pixels))
    pixels = np.array(class_pixels, dtype=float)
    pixels[list(excluded)] = 0
    counted = pixels > 0
    if config is None or not counted.any():
        return tuple(weights.tolist())
    raw = (pixels[counted] / pixels.sum()) ** -config.exponent
    capped = np.minimum(raw, config.cap * raw.min())
    weights[counted] = capped / capped.mean()
    return tuple(weights.tolist())
