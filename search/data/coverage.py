"""What a split lacks, as sentences: classes missing from parts, shares that drifted, groups that straddle."""

import numpy as np

from search.data.dataset import PARTS, Part
from search.data.dispersion import TYPES

DRIFT = 0.05
"""A part whose share of the images is off by more than this is worth a sentence."""


def coverage_warnings(
    presence: np.ndarray,
    parts: np.ndarray,
    groups: np.ndarray,
    names: tuple[str, ...],
    fractions: tuple[float, ...] | None,
) -> list[str]:
    """Sentences about a split: presence (N, K) of classes, parts (N,), groups (N,). `fractions` None: predefined."""
    warnings = [
        warning
        for column, name in enumerate(names)
        if (warning := class_warning(presence[:, column], parts, groups, name)) is not None
    ]
    return warnings + (straddling(parts, groups) if fractions is None else drifting(parts, fractions))


def class_warning(presence: np.ndarray, parts: np.ndarray, groups: np.ndarray, name: str) -> str | None:
    """A sentence where a class of the data is missing from a part; None where it is in all of them or in none."""
    missing = lacking(presence, parts)
    if not missing:
        return None
    count = len(np.unique(groups[presence]))
    effect = "the mean IoU leaves it out where it is absent"
    if "train" in missing:
        effect = "no network can learn it"
    return f"class {name!r} is in {count} group(s) alone and absent from {' and '.join(missing)}: {effect}"


def missing_types(columns: np.ndarray, parts: np.ndarray, groups: np.ndarray) -> list[str]:
    """A sentence for each type of images, columns (N, 2) in the order of `TYPES`, that is missing from a part."""
    return [
        f"{name} images are in {len(np.unique(groups[column]))} group(s) alone and absent from {' and '.join(missing)}"
        for name, column in zip(TYPES, columns.T, strict=True)
        if (missing := lacking(column, parts))
    ]


def lacking(presence: np.ndarray, parts: np.ndarray) -> list[Part]:
    """The parts without an image of which `presence` (N,) is true; none where no image is so."""
    return [part for index, part in enumerate(PARTS) if presence.any() and not (presence & (parts == index)).any()]


def drifting(parts: np.ndarray, fractions: tuple[float, ...]) -> list[str]:
    """A sentence for each part whose share of the images is far from what was wanted."""
    shares = np.bincount(parts, minlength=len(PARTS)) / len(parts)
    return [
        f"the {part} part holds {share:.0%} of the images instead of {wanted:.0%}, because its groups are large"
        for part, share, wanted in zip(PARTS, shares, fractions, strict=True)
        if abs(share - wanted) > DRIFT
    ]


def straddling(parts: np.ndarray, groups: np.ndarray) -> list[str]:
    """Sentences about a predefined split that divides groups or locks no test part."""
    pairs = np.unique(np.stack([groups, parts]), axis=1)
    divided = int((np.bincount(pairs[0]) > 1).sum())
    warnings = []
    if divided:
        warnings.append(f"splits.csv divides {divided} group(s) or set(s) of near-duplicates; validation is optimistic")
    if not (parts == PARTS.index("test")).any():
        warnings.append("splits.csv has no test part: there is no locked test to report on")
    return warnings
