"""Images without labels, for pseudo-labels: mapped as the labelled ones are, and never one that is held out."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from search.data.dataset import Arrays, SegmentationData, update_digest
from search.data.duplicates import MAX_DISTANCE, connected, near_pairs, perceptual_hashes
from search.data.folder import read_unlabelled_folder
from search.data.input_size import shrink, stacked
from search.data.npz import read_test_images
from search.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """Images (H, W, C) uint8 at the training scale, read-only, and how they were chosen.

    `found` counts those that were there, `held_out` those left out because they repeat a validation or locked test
    image. `fingerprint` is a sha256 of the others, at their native size and in their order; None where there are none.
    `misfit` says why there are none where those found cannot be used.
    """

    images: Arrays = ()
    found: int = 0
    held_out: int = 0
    fingerprint: str | None = None
    misfit: str | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of them."""
        if self.misfit is not None:
            return (misfit_warning(self.misfit),)
        if not self.held_out:
            return ()
        return (
            f"{self.held_out} of {self.found} unlabelled images are near-duplicates of validation or locked test "
            "images and are left out: no trial may adapt to what it is measured on",
        )


NONE = Unlabelled()


def misfit_warning(reason: str) -> str:
    """The sentence where images without labels are there and cannot be used."""
    return f"there are no images without labels, since those found do not fit: {reason}"


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


def find_unlabelled(
    path: Path | None, data: SegmentationData, held_out: Sequence[np.ndarray] | np.ndarray, scale: float
) -> Unlabelled:
    """Those of `read_unlabelled` that `keep_unlabelled` keeps; none, and why, where they do not fit.

    A search that has no use for them must not end because of them.
    """
    try:
        return keep_unlabelled(read_unlabelled(path, data), held_out, scale)
    except DataError as error:
        return Unlabelled(misfit=str(error))


def count_unlabelled(path: Path, data: SegmentationData) -> tuple[int, tuple[str, ...]]:
    """How many images without labels can be used, and the warning where they do not fit."""
    try:
        return sum(1 for _ in read_unlabelled(path, data)), ()
    except DataError as error:
        return 0, (misfit_warning(str(error)),)


def keep_unlabelled(
    images: Iterable[np.ndarray], held_out: Sequence[np.ndarray] | np.ndarray, scale: float
) -> Unlabelled:
    """Those of `images` that repeat none of the `held_out` ones, shrunk to `scale` as training images are.

    Near-duplicates count as repeated, by the rule that keeps them in one part of the split (a chain of pHashes of at
    most 4 bits' distance): what must not be divided between training and validation must not come back without its
    label.
    """
    hashes, digests, shrunk = [perceptual_hashes(held_out)], [], []
    for image in images:
        hashes.append(perceptual_hashes([image]))
        digests.append(content_digest(image))
        shrunk.append(image if scale == 1 else shrink(image, scale, cv2.INTER_AREA))
    kept = np.flatnonzero(~repeats(np.concatenate(hashes), len(held_out)))
    if not len(kept):
        return Unlabelled(found=len(shrunk), held_out=len(shrunk))
    return Unlabelled(
        images=stacked([shrunk[index] for index in kept]),
        found=len(shrunk),
        held_out=len(shrunk) - len(kept),
        fingerprint=hashlib.sha256(b"".join(digests[index] for index in kept)).hexdigest(),
    )


def repeats(hashes: np.ndarray, held_out: int) -> np.ndarray:
    """Whether each image after the first `held_out` is connected to one of those: bool, from hashes (N,) uint64."""
    components = connected(len(hashes), near_pairs(hashes, MAX_DISTANCE))
    return np.isin(components[held_out:], components[:held_out])


def content_digest(image: np.ndarray) -> bytes:
    """sha256 of an image, its size included."""
    digest = hashlib.sha256()
    update_digest(digest, [image])
    return digest.digest()
