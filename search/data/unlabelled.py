"""Images without labels, for pseudo-labels: mapped as the labelled ones are, and never one that is held out."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from search.data.dataset import Arrays, SegmentationData, update_digest
from search.data.duplicates import MAX_DISTANCE, perceptual_hashes
from search.data.folder import read_unlabelled_folder
from search.data.input_size import shrink, stacked
from search.data.npz import read_test_images


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """Images (H, W, C) uint8 at the training scale, read-only, and how they were chosen.

    `held_out` counts those left out because they repeat a validation or locked test image. `fingerprint` is the sha256
    of the images that remain, at their native size and in their order; None where none does.
    """

    images: Arrays
    held_out: int
    fingerprint: str | None

    @property
    def found(self) -> int:
        """Images that were there."""
        return len(self.images) + self.held_out

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of them."""
        if not self.held_out:
            return ()
        return (
            f"{self.held_out} of {self.found} unlabelled images are near-duplicates of validation or locked test "
            "images and are left out: no trial may adapt to what it is measured on",
        )


NONE = Unlabelled(images=(), held_out=0, fingerprint=None)


def read_unlabelled(path: Path | None, data: SegmentationData) -> Iterable[np.ndarray]:
    """The images (H, W, C) uint8 without labels that lie beside `data`, read from `path`; the demo set has none.

    An npz file has them as `test_set`, a folder as `unlabelled/`. A folder's are read one by one: there may be many,
    and large ones. Raises DataError where they do not fit the labelled ones.
    """
    if path is None:
        return ()
    if path.is_dir():
        return read_unlabelled_folder(path, data)
    return read_test_images(path, channels=data.channels, intensity=data.intensity)


def keep_unlabelled(
    images: Iterable[np.ndarray], held_out: Sequence[np.ndarray] | np.ndarray, scale: float
) -> Unlabelled:
    """Those of `images` that repeat none of the `held_out` ones, shrunk to `scale` as training images are.

    Near-duplicates count as repeated, by the rule that keeps them in one part of the split (pHash of at most 4 bits'
    distance): what must not be divided between training and validation must not come back without its label.
    """
    taken = perceptual_hashes(held_out)
    kept, count, digest = [], 0, hashlib.sha256()
    for image in images:
        count += 1
        if (np.bitwise_count(taken ^ perceptual_hashes([image])) <= MAX_DISTANCE).any():
            continue
        update_digest(digest, [image])
        kept.append(image if scale == 1 else shrink(image, scale, cv2.INTER_AREA))
    if not kept:
        return Unlabelled(images=(), held_out=count, fingerprint=None)
    return Unlabelled(images=stacked(kept), held_out=count - len(kept), fingerprint=digest.hexdigest())
