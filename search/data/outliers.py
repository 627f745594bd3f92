"""Images that carry the mask of another image: a mixed mask that ten or more different images share."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from search.data.counts import pixel_counts
from search.data.dataset import SegmentationData, update_digest

MIN_IMAGES = 10
"""A mixed mask shared by this many different images is no coincidence."""

MAX_COVER = 0.95
"""Masks of one class and a border strip repeat legitimately (19 to 41 times on Mars): they are no evidence."""


def find_outliers(data: SegmentationData) -> np.ndarray:
    """Indices, ascending, of the images whose mask is shared by at least 10 different images and is mixed.

    A mask is mixed when no value, VOID among them, covers 95 % of its pixels. Copies of one image count once.
    """
    counts = pixel_counts(data.masks)
    mixed = counts.max(axis=1) < MAX_COVER * counts.sum(axis=1)
    sharing: dict[str, list[int]] = defaultdict(list)
    for index in np.flatnonzero(mixed):
        sharing[digest([data.masks[index]])].append(int(index))
    found = [indices for indices in sharing.values() if different_images(data, indices) >= MIN_IMAGES]
    return np.array(sorted(index for indices in found for index in indices), dtype=int)


def different_images(data: SegmentationData, indices: list[int]) -> int:
    """How many images with different contents these are."""
    if len(indices) < MIN_IMAGES:
        return len(indices)
    return len({digest([data.images[index]]) for index in indices})


def digest(arrays: Iterable[np.ndarray]) -> str:
    """sha256 of shapes and contents."""
    result = hashlib.sha256()
    update_digest(result, arrays)
    return result.hexdigest()
