"""Groups drawn anew: the same values and intervals as scipy's, and what becomes of a class that is not drawn."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import bootstrap, norm
from scipy.stats import t as student

from benchmarks.bootstrap_coverage import bca
from benchmarks.made_up_groups import CLASSES, RARE
from search.selection.resampling import (
    Resampled,
    class_ious,
    count_pixels,
    expanded_level,
    interval,
    resample,
    sum_groups,
)
from tests.selection.drawing import drawn


def iou_by_hand(confusions: np.ndarray) -> np.ndarray:
    """(..., K) of sums of matrices (..., K, K)."""
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    return hits / (confusions.sum(-1) + confusions.sum(-2) - hits)


Read = Callable[[np.ndarray], np.ndarray]
STATISTICS: dict[str, tuple[Read, Read]] = {
    "mIoU": (lambda ious: ious[..., 0, :].mean(-1), lambda values: values[..., 0, 0]),
    "mean over networks": (lambda ious: ious[..., 1:, :].mean((-2, -1)), lambda values: values[..., 1, 0]),
    "a class": (lambda ious: ious[..., 0, RARE], lambda values: values[..., 0, 1 + RARE]),
    "difference": (
        lambda ious: ious[..., 1:, :].mean((-2, -1)) - ious[..., 0, :].mean(-1),
        lambda values: values[..., 1, 0] - values[..., 0, 0],
    ),
}
"""Each from IoUs (..., M, K) by hand, and from what `measure` gives for the first network and the three others."""


@pytest.mark.parametrize("name", STATISTICS)
def test_resamples_and_interval_are_those_of_scipy(name: str) -> None:
    by_hand, read = STATISTICS[name]
    confusions, places = drawn()
    by_group = sum_groups(confusions.swapaxes(0, 1), places, 30)

    def statistic(groups: np.ndarray, axis: int = -1) -> np.ndarray:
        return by_hand(iou_by_hand(by_group[groups].sum(groups.ndim - 1)))

    ours = resampled(confusions, places, count=999, seed=5)
    level = expanded_level(read(ours.left_out))
    by_percentile, by_bca = (
        bootstrap(
            (np.arange(30),), statistic, n_resamples=999, method=method, vectorized=True, confidence_level=level,
            rng=np.random.default_rng(5),
        )
        for method in ("percentile", "BCa")
    )  # fmt: skip
    np.testing.assert_allclose(read(ours.resampled), by_percentile.bootstrap_distribution, rtol=1e-12)
    ends = interval(read(ours.resampled), read(ours.left_out))
    np.testing.assert_allclose(ends, by_percentile.confidence_interval, rtol=1e-9)
    compared = bca(float(read(ours.observed)), read(ours.resampled), read(ours.left_out), level)
    np.testing.assert_allclose(compared, by_bca.confidence_interval, rtol=1e-9)


@pytest.mark.parametrize("groups", [5, 20, 200])
def test_the_level_is_as_wide_as_students_t(groups: int) -> None:
    """For values that scatter normally around no particular group; many groups need hardly more than 95 %."""
    rng = np.random.default_rng(0)
    levels = [expanded_level(rng.normal(size=groups)) for _ in range(2000)]
    wide = student.ppf(0.975, groups - 1) * math.sqrt(groups / (groups - 1))
    assert norm.ppf(0.5 + np.median(levels) / 2) == pytest.approx(wide, rel=0.1)


def test_the_level_counts_the_groups_that_matter() -> None:
    """Three groups among a thousand which change nothing are three."""
    few = np.concatenate([[1.0, -1.0, 0.5], np.zeros(1000)])
    assert expanded_level(few) > expanded_level(np.tile([1.0, -1.0, 0.5], 300)) + 0.03
    assert 0.95 < expanded_level(np.array([1.0, *np.zeros(9)])) < 1
    assert expanded_level(np.zeros(10)) == expanded_level(np.ones(10))


def resampled(
    confusions: np.ndarray, places: np.ndarray, *, count: int, seed: int = 0, block: int | None = None
) -> Resampled:
    """The first network and the mean of the others, drawn anew."""
    groups = int(places.max()) + 1
    counts = np.stack([sum_groups(count_pixels(each, range(CLASSES)), places, groups) for each in confusions], 1)
    return Resampled.of(counts, [slice(0, 1), slice(1, 4)], count=count, seed=seed, block=block)


@pytest.mark.parametrize("block", [1, 7, 50, 1000])
def test_the_size_of_blocks_changes_nothing(block: int) -> None:
    confusions, places = drawn(holders=3)
    once, often = resampled(confusions, places, count=100), resampled(confusions, places, count=100, block=block)
    np.testing.assert_array_equal(often.resampled, once.resampled)
    np.testing.assert_array_equal(often.left_out, once.left_out)


def test_a_resample_without_a_class_leaves_it_out_of_its_mean() -> None:
    confusions, places = drawn(groups=6, holders=1)
    ours = resampled(confusions, places, count=500, seed=3)
    (weights,) = resample(6, 500, 3, 500)
    lacking = weights[:, 0] == 0
    assert lacking.mean() == pytest.approx((5 / 6) ** 6, abs=0.06)
    ious = ours.resampled[:, 0, 1:]
    np.testing.assert_array_equal(np.isnan(ious[:, RARE]), lacking)
    assert not np.isnan(ious[:, :RARE]).any()
    np.testing.assert_allclose(ours.resampled[lacking, 0, 0], ious[lacking, :RARE].mean(1), rtol=1e-12)
    np.testing.assert_allclose(ours.resampled[~lacking, 0, 0], ious[~lacking].mean(1), rtol=1e-12)


def test_iou_of_an_absent_class_is_not_a_number() -> None:
    counts = count_pixels(np.array([[[4, 2], [0, 0]]]), (0, 1))
    np.testing.assert_array_equal(class_ious(counts), [[4 / 6, np.nan]])
