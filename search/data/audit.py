"""The audit of a data set before anything trains on it: what is removed, what repeats, what is rare or absent."""

from collections.abc import Sequence

import numpy as np

from search.data.counts import pixel_counts
from search.data.dataset import SegmentationData
from search.data.duplicates import find_duplicates
from search.data.outliers import digest, find_outliers
from search.data.samples import VOID
from search.errors import DataError
from spaces.schema import Config


class ClassCount(Config):
    """How often a class occurs. `label` is its raw label in the files (a colour as 0xRRGGBB)."""

    name: str
    label: int
    pixels: int
    images: int
    ignored: bool


class Audit(Config):
    """What the audit found. Stems name images; counts are those of the images that remain after removal.

    `fingerprint` is that of the data as read, `removed_hash` the sha256 of the removed images and masks. `unlabelled`
    counts images without labels beside them; nothing else here looks at those.
    """

    fingerprint: str
    images: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    channels: int
    groups: int
    outliers: tuple[str, ...]
    removed_hash: str
    duplicates: tuple[tuple[str, ...], ...]
    empty: tuple[str, ...]
    classes: tuple[ClassCount, ...]
    void_pixels: int
    warnings: tuple[str, ...]
    unlabelled: int = 0

    @property
    def kept(self) -> int:
        """Images that remain."""
        return self.images - len(self.outliers)

    @property
    def absent(self) -> tuple[str, ...]:
        """Names of declared classes without a pixel."""
        return tuple(entry.name for entry in self.classes if entry.pixels == 0)

    def to_json(self) -> str:
        """This audit as JSON text."""
        return self.model_dump_json(indent=2)


def audit(data: SegmentationData) -> Audit:
    """Examine a data set; nothing is changed. Raises DataError where nothing would remain."""
    outliers = find_outliers(data)
    if len(outliers) == len(data):
        raise DataError(f"no image has a mask of its own, all {len(data)} are outliers. Check the export of the masks")
    kept = data.select(np.setdiff1d(np.arange(len(data)), outliers))
    counts = pixel_counts(kept.masks)
    sizes = [(int(height), int(width)) for height, width in data.sizes]
    classes = count_classes(kept, counts)
    empty = counts[:, list(data.meaningful)].sum(axis=1) == 0
    return Audit(
        fingerprint=data.fingerprint,
        images=len(data),
        smallest=min(sizes, key=lambda size: size[0] * size[1]),
        largest=max(sizes, key=lambda size: size[0] * size[1]),
        channels=data.channels,
        groups=len({group for group in kept.groups if group is not None}),
        outliers=tuple(data.stems[index] for index in outliers),
        removed_hash=digest(array for index in outliers for array in (data.images[index], data.masks[index])),
        duplicates=tuple(name(kept.stems, group) for group in find_duplicates(kept.images)),
        empty=name(kept.stems, np.flatnonzero(empty)),
        classes=classes,
        void_pixels=int(counts[:, VOID].sum()),
        warnings=tuple(find_warnings(classes, int(empty.sum()), len(kept))),
    )


def clean(data: SegmentationData, audit: Audit) -> SegmentationData:
    """The data set without the audit's outliers."""
    assert audit.fingerprint == data.fingerprint, "an audit belongs to one data set"
    outliers = set(audit.outliers)
    return data.select([index for index, stem in enumerate(data.stems) if stem not in outliers])


def name(stems: tuple[str, ...], indices: np.ndarray) -> tuple[str, ...]:
    """The stems at these indices."""
    return tuple(stems[index] for index in indices)


def count_classes(data: SegmentationData, counts: np.ndarray) -> tuple[ClassCount, ...]:
    """Pixels and images of every class, from the table (N, 256) of pixel counts."""
    return tuple(
        ClassCount(
            name=data.class_names[index],
            label=data.labels[index],
            pixels=int(counts[:, index].sum()),
            images=int((counts[:, index] > 0).sum()),
            ignored=index in data.ignored,
        )
        for index in range(data.classes)
    )


def find_warnings(classes: Sequence[ClassCount], empty: int, images: int) -> list[str]:
    """What a person should know before trusting results on this data."""
    absent = [entry.name for entry in classes if entry.pixels == 0]
    present = [entry for entry in classes if entry.pixels > 0 and not entry.ignored]
    ignored = [entry for entry in classes if entry.ignored and entry.pixels > 0]
    warnings = []
    if ignored:
        names = ", ".join(entry.name for entry in ignored)
        share = sum(entry.pixels for entry in ignored) / sum(entry.pixels for entry in classes)
        warnings.append(
            f"ignored: {names} ({share:.0%} of the labelled pixels). What is predicted there does not count in the "
            "mIoU, and networks may never predict it"
        )
    if absent:
        warnings.append(f"declared but in no mask: {', '.join(absent)}. The mean IoU leaves absent classes out")
    if len(present) < 2:
        warnings.append(f"masks hold {len(present)} class(es) that count in the objective: nothing to tell apart")
    if empty * 2 > images:
        warnings.append(f"{empty} of {images} masks are empty: more than half of the images teach nothing")
    return warnings
