"""A labelled data set in memory, as read and checked: what the audit and the split work on."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Self, get_args

import numpy as np

from search.data.samples import Samples
from search.errors import DataError

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)

Arrays = np.ndarray | tuple[np.ndarray, ...]
"""One stacked array where all sizes agree (shared through Ray without a copy), else a tuple of arrays."""

IntensityRange = tuple[tuple[float, float], ...]
"""Lowest and highest raw value of each channel: they became 0 and 255."""


@dataclass(frozen=True, kw_only=True)
class SegmentationData:
    """Images (H, W, C) uint8 and masks (H, W) uint8 of class indices or VOID, read-only, with what is known of them.

    `groups` names what may not be divided between parts (a rover drive, a patient), None where unknown. `parts` is a
    split that came with the data. `labels` holds the raw label of each class as found in the files, where `colored` a
    colour as 0xRRGGBB. `intensity` is None where the raw images were 8-bit already.
    Raises DataError when lengths, sizes or channel counts disagree.
    """

    images: Arrays
    masks: Arrays
    stems: tuple[str, ...]
    groups: tuple[str | None, ...]
    class_names: tuple[str, ...]
    labels: tuple[int, ...]
    background: int | None = None
    ignored: tuple[int, ...] = ()
    parts: tuple[Part, ...] | None = None
    intensity: IntensityRange | None = None
    colored: bool = False

    def __post_init__(self) -> None:
        assert len(self.images) == len(self.masks) == len(self.stems) == len(self.groups)
        assert self.parts is None or len(self.parts) == len(self.stems)
        assert len(self.class_names) == len(self.labels)
        check_sizes(self.images, self.masks, self.stems)
        check_channels(self.images, self.stems)
        for arrays in (self.images, self.masks):
            freeze(arrays)

    def __len__(self) -> int:
        return len(self.stems)

    @property
    def classes(self) -> int:
        """Number of classes, background and ignored ones among them."""
        return len(self.class_names)

    @property
    def channels(self) -> int:
        """Channels of every image."""
        return self.images[0].shape[2]

    @property
    def sizes(self) -> np.ndarray:
        """Height and width of every image, (N, 2)."""
        return np.array([mask.shape for mask in self.masks])

    @property
    def meaningful(self) -> tuple[int, ...]:
        """Class indices that the objective may average: those not ignored."""
        return tuple(index for index in range(self.classes) if index not in self.ignored)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of images, masks, groups and classes; paths and file names do not enter it."""
        digest = hashlib.sha256()
        classes = (self.class_names, self.labels, self.background, tuple(sorted(self.ignored)))
        digest.update(repr((classes, self.groups)).encode())
        for arrays in (self.images, self.masks):
            update_digest(digest, arrays)
        return digest.hexdigest()

    def select(self, indices: Sequence[int] | np.ndarray) -> Self:
        """The data set of these images alone, in this order."""
        chosen = [int(index) for index in indices]
        return replace(
            self,
            images=take(self.images, chosen),
            masks=take(self.masks, chosen),
            stems=tuple(self.stems[index] for index in chosen),
            groups=tuple(self.groups[index] for index in chosen),
            parts=None if self.parts is None else tuple(self.parts[index] for index in chosen),
        )

    def samples(self, indices: Sequence[int] | np.ndarray) -> Samples:
        """Images and masks at these indices."""
        chosen = [int(index) for index in indices]
        samples = Samples(images=take(self.images, chosen), masks=take(self.masks, chosen))
        freeze(samples.images)
        freeze(samples.masks)
        return samples


def stack(arrays: Sequence[np.ndarray]) -> Arrays:
    """One array where all shapes and types agree, else a tuple."""
    alike = len({(array.shape, array.dtype) for array in arrays}) == 1
    return np.stack(arrays) if alike else tuple(np.ascontiguousarray(array) for array in arrays)


def take(arrays: Arrays, indices: Sequence[int]) -> Arrays:
    """The arrays at these indices; stacked when they are alike, even where the whole was not."""
    if isinstance(arrays, np.ndarray):
        return arrays[np.array(indices, dtype=int)]
    return stack([arrays[index] for index in indices])


def freeze(arrays: Sequence[np.ndarray] | np.ndarray) -> None:
    """Make every array read-only: trials of one machine share them."""
    for array in (arrays,) if isinstance(arrays, np.ndarray) else arrays:
        array.setflags(write=False)


def update_digest(digest: "hashlib._Hash", arrays: Iterable[np.ndarray]) -> None:
    """Add shapes, types and contents."""
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)


def check_sizes(images: Arrays, masks: Arrays, stems: Sequence[str]) -> None:
    """Raise DataError at the first image that its mask does not cover exactly."""
    for image, mask, stem in zip(images, masks, stems, strict=True):
        assert image.ndim == 3
        assert image.dtype == mask.dtype == np.uint8
        if image.shape[:2] != mask.shape:
            raise DataError(
                f"image and mask need the same size; image {stem!r} has {image.shape[0]}x{image.shape[1]} pixels "
                f"(height x width) and its mask {mask.shape[0]}x{mask.shape[1]}. Export the mask at the image's size"
            )


def check_channels(images: Arrays, stems: Sequence[str]) -> None:
    """Raise DataError unless every image has the channels of the first."""
    for image, stem in zip(images, stems, strict=True):
        if image.shape[2] != images[0].shape[2]:
            raise DataError(
                f"all images need the same number of channels; {stems[0]!r} has {images[0].shape[2]} and "
                f"{stem!r} has {image.shape[2]}. Convert them to one form (an alpha channel counts)"
            )
