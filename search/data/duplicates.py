"""Near-duplicates by perceptual hash: images that must not be divided between training and validation."""

from collections.abc import Sequence

import imagehash
import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

MAX_DISTANCE = 4
"""Bits of 64; a brightness shift of 5 moves 2."""

BLOCK = 256


def find_duplicates(images: Sequence[np.ndarray] | np.ndarray) -> list[np.ndarray]:
    """Sets of two or more images that a chain of Hamming distances of at most 4 bits connects, as ascending indices."""
    hashes = perceptual_hashes(images)
    labels = connected(len(hashes), near_pairs(hashes, MAX_DISTANCE))
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return sorted((group for group in groups if len(group) > 1), key=lambda group: int(group[0]))


def perceptual_hashes(images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """The 64-bit pHash (imagehash.phash) of each image (H, W, C) uint8: (N,) uint64."""
    bits = np.array([imagehash.phash(grey(image)).hash.ravel() for image in images], dtype=np.uint8)
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def grey(image: np.ndarray) -> Image.Image:
    """An image as Pillow's grey image: luminance for RGB, else the mean of the channels."""
    match image.shape[2]:
        case 1:
            return Image.fromarray(image[..., 0])
        case 3:
            return Image.fromarray(image).convert("L")
        case _:
            return Image.fromarray(image.mean(axis=2).astype(np.uint8))


def near_pairs(hashes: np.ndarray, distance: int) -> np.ndarray:
    """Pairs (P, 2) of indices i < j whose hashes (N,) uint64 differ in at most `distance` bits."""
    pairs = []
    for start in range(0, len(hashes), BLOCK):
        block = hashes[start : start + BLOCK, None]
        near = np.bitwise_count(block ^ hashes[None, start:]) <= distance
        first, second = np.nonzero(np.triu(near, k=1))
        pairs.append(np.stack([first, second], axis=1) + start)
    return np.concatenate(pairs) if pairs else np.zeros((0, 2), dtype=int)


def connected(count: int, pairs: np.ndarray) -> np.ndarray:
    """The component of each of `count` nodes under these pairs (P, 2): (count,) labels."""
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1]
