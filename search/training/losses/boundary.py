"""Boundary loss (Kervadec et al. 2019, arXiv 1812.07032): probability times signed distance to the true boundary."""

import numpy as np
from torch import Tensor

from search.training.losses.distances import distances
from search.training.losses.pixels import Prediction, Truth


def boundary(prediction: Prediction, truth: Truth, maps: Tensor) -> Tensor:
    """Mean over labelled pixels and classes of p * `maps` (N, K, H, W), distances as `distance_maps` makes them.

    Negative where the prediction is good; on its own it has no floor at 0, so mixtures hold other terms too.
    """
    weighted = prediction.probabilities * maps * truth.valid
    return weighted.sum() / (truth.valid_pixels * truth.classes)


def distance_maps(masks: np.ndarray, classes: int) -> np.ndarray:
    """Signed distances (N, K, H, W) float32 of `masks` (N, H, W), as fractions of the image's diagonal.

    In pixels a map is the distance to the nearest pixel of the class outside of it, and 1 minus the distance to the
    nearest other pixel inside of it (the authors' definition). Divided by the diagonal it lies in [-1, 1], so that the
    term is of the size of the others. A class that is absent or fills the image has no boundary: its map is 0 (as
    monai's). A void pixel belongs to no class, so void borders on every class beside it.
    """
    count, height, width = masks.shape
    maps = np.zeros((count, classes, height, width), np.float32)
    for index, mask in enumerate(masks):
        for label in np.unique(mask):
            if label < classes:
                maps[index, label] = _signed_distance(mask == label)
    return maps / np.float32(np.hypot(height, width))


def _signed_distance(inside: np.ndarray) -> np.ndarray | float:
    if inside.all():
        return 0.0
    region = inside.astype(np.uint8)
    return distances(1 - region) - np.maximum(distances(region) - 1, 0)
