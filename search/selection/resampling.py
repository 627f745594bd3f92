"""Groups drawn anew: what an IoU would have been on other groups like these, and the interval that follows.

The images of a group (a rover drive, a patient) are alike, so that a network which fails on one of them fails on the
next. Only groups are independent of each other, hence whole groups are drawn, each with all its images. A mean IoU is a
function of sums of pixels, so that a resample is a weighted sum of the groups' counts: one matrix product for all.

*Counts* are float64 (..., M, 3, C), of M networks and C classes: pixels of the intersection, of the union and of the
truth. They are whole numbers, and exact in whatever order they are added.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import ndtr, stdtrit

LEVEL = 0.95
"""How often an interval is to hold the true value."""

FEWEST_DEGREES = 2.0

BLOCK_CELLS = 2_000_000
"""Numbers of one array that are in memory at once, about: 16 MB."""


def count_pixels(confusions: np.ndarray, classes: Sequence[int], ignored: Sequence[int] = ()) -> np.ndarray:
    """The counts (N, 3, C) of one network for `classes`, from a confusion matrix (N, K, K) each; rows are the truth.

    Pixels whose truth is in `ignored` are left out.
    """
    kept = confusions.astype(np.float64)
    kept[:, list(ignored)] = 0
    intersection = np.diagonal(kept, axis1=1, axis2=2)
    truth = kept.sum(2)
    union = truth + kept.sum(1) - intersection
    return np.stack([intersection, union, truth], axis=1)[:, :, list(classes)]


def sum_groups(values: np.ndarray, places: np.ndarray, groups: int) -> np.ndarray:
    """Sums (G, ...) of values (N, ...) over the images of each group; `places` (N,) is 0..G-1."""
    sums = np.zeros((groups, *values.shape[1:]), values.dtype)
    np.add.at(sums, places, values)
    return sums


def class_ious(counts: np.ndarray) -> np.ndarray:
    """IoU (..., M, C) of counts (..., M, 3, C), NaN where the truth does not hold the class."""
    intersection, union, truth = np.moveaxis(counts, -2, 0)
    return np.divide(intersection, union, out=np.full(union.shape, np.nan), where=truth > 0)


def measure(counts: np.ndarray, systems: Sequence[slice]) -> np.ndarray:
    """Mean IoU, then the IoU of each class, (..., S, 1 + C), of systems of one network or several.

    A network's mean is over the classes that the truth holds, NaN where it holds none; a system's values are the means
    over its networks.
    """
    ious = class_ious(counts)
    present = ~np.isnan(ious)
    number = present.sum(-1, keepdims=True)
    total = np.where(present, ious, 0).sum(-1, keepdims=True)
    mean = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    values = np.concatenate([mean, ious], axis=-1)
    return np.stack([values[..., networks, :].mean(-2) for networks in systems], axis=-2)


def resample(groups: int, count: int, seed: int, block: int) -> Iterator[np.ndarray]:
    """How often each group is drawn in each of `count` resamples, (b, G) float64, at most `block` resamples at a time.

    A resample draws as many groups as there are, with replacement (Efron 1979). The draws are the same whatever the
    block, and those of `scipy.stats.bootstrap` with a generator of the same seed.
    """
    rng = np.random.default_rng(seed)
    for start in range(0, count, block):
        rows = min(block, count - start)
        drawn = rng.integers(0, groups, (rows, groups))
        drawn += groups * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """Values (1 + C each, as of `measure`) of S systems on the same groups, so that their differences are paired.

    `observed` (S, 1 + C) is on the groups as they are, `resampled` (B, S, 1 + C) on groups drawn anew, `left_out`
    (G, S, 1 + C) with one group left out at a time. NaN where the truth holds no such class.
    """

    observed: np.ndarray
    resampled: np.ndarray
    left_out: np.ndarray

    @classmethod
    def of(
        cls, counts: np.ndarray, systems: Sequence[slice], *, count: int, seed: int, block: int | None = None
    ) -> Self:
        """Draw `count` resamples of counts (G, M, 3, C); a slice of the networks a system."""
        groups = len(counts)
        rows = block or max(1, BLOCK_CELLS // max(groups, counts[0].size))
        total = counts.sum(0)
        drawn = [measure(np.tensordot(weights, counts, 1), systems) for weights in resample(groups, count, seed, rows)]
        left_out = [measure(total - counts[start : start + rows], systems) for start in range(0, groups, rows)]
        return cls(observed=measure(total, systems), resampled=np.concatenate(drawn), left_out=np.concatenate(left_out))


def interval(resampled: np.ndarray, left_out: np.ndarray) -> tuple[float, float]:
    """The lower and the upper end of the 95 % interval of a value: the expanded percentile interval.

    Measured against the plain percentile, the basic and the BCa interval in decision 0019.

    Args:
        resampled: the value (B,) on groups drawn anew; NaN, where it is not defined, is left out
        left_out: the value (G,) with one group left out at a time
    """
    return percentile(resampled, expanded_level(left_out))


def percentile(resampled: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """What the middle share `level` of the resamples (B,) span (Efron 1979), NaN left out."""
    low, high = np.nanquantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def expanded_level(left_out: np.ndarray) -> float:
    """The level, above 95 %, of an interval as wide as Student's t asks for with so few groups (Hesterberg 2015).

    The degrees of freedom are those of the jackknife's variance (Satterthwaite 1946), which is dominated by few groups
    where few hold a class or are large; at least 2, and at most one less than there are groups.

    Args:
        left_out: the value (G,) with one group left out at a time, of at least 3
    """
    squares = (left_out - left_out.mean()) ** 2
    most = len(squares) - 1.0
    spread = float((squares**2).sum() - squares.sum() ** 2 / len(squares))
    degrees = min(most, max(FEWEST_DEGREES, 2 * float(squares.sum()) ** 2 / spread)) if spread > 0 else most
    wide = stdtrit(degrees, (1 + LEVEL) / 2) * math.sqrt((degrees + 1) / degrees)
    return 2 * float(ndtr(wide)) - 1
