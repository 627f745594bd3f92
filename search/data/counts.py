"""How often each mask value occurs in each image: one table from which audit, outliers and split all read."""

from collections.abc import Sequence

import numpy as np

VALUES = 256


def pixel_counts(masks: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Pixels of each mask value (class index or VOID) in each image: (N, 256) int64."""
    return np.array([np.bincount(mask.ravel(), minlength=VALUES) for mask in masks]).reshape(-1, VALUES)
