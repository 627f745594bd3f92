"""Class weights from what the training data counts of each class."""

from collections.abc import Sequence

import numpy as np

from search.errors import DataError
from spaces.facts import DataFacts
from spaces.losses import (
    BalancedWeights,
    ClassWeighting,
    ClassWeights,
    EffectiveNumberWeights,
    MedianFrequencyWeights,
)


def class_weights(config: ClassWeighting | None, facts: DataFacts, excluded: Sequence[int] = ()) -> tuple[float, ...]:
    """One weight a class, scaled to mean 1; without a config every weight is 1.

    A class without training pixels, and the classes in `excluded`, meet no pixel of their own: they get weight 1 and
    take no part in the frequencies, the cap and the mean. (Their pixels do count in `facts.pixels_with_class`.)

    Raises DataError where the config needs `facts.pixels_with_class` and nobody counted them.
    """
    weights = np.ones(facts.classes)
    counted = np.array(facts.class_pixels) > 0
    counted[list(excluded)] = False
    if config is None or not counted.any():
        return tuple(weights.tolist())
    raw = _raw_weights(config, facts, counted)
    weights[counted] = raw / raw.mean()
    return tuple(weights.tolist())


def _raw_weights(config: ClassWeighting, facts: DataFacts, counted: np.ndarray) -> np.ndarray:
    """Weights of the `counted` classes, by their papers' formulas."""
    pixels = np.array(facts.class_pixels, dtype=float)[counted]
    frequencies = pixels / pixels.sum()
    match config:
        case ClassWeights():
            return _capped(frequencies**-config.exponent, config.cap)
        case BalancedWeights():
            return _capped(1 / (len(pixels) * frequencies), config.cap)
        case MedianFrequencyWeights():
            frequencies = pixels / _pixels_with_class(facts)[counted]
            return _capped(np.median(frequencies) / frequencies, config.cap)
        case EffectiveNumberWeights():
            images = np.array(facts.class_images, dtype=float)[counted]
            return (1 - config.beta) / (1 - config.beta**images)


def _capped(weights: np.ndarray, cap: float) -> np.ndarray:
    return np.minimum(weights, cap * weights.min())


def _pixels_with_class(facts: DataFacts) -> np.ndarray:
    if not facts.pixels_with_class:
        raise DataError(
            "median_frequency class weights need pixels_with_class, the labelled pixels of the images that hold each "
            "class, and these facts of the data do not have it: read the data again, or choose class weights of "
            "another kind"
        )
    return np.array(facts.pixels_with_class, dtype=float)
