"""What systems reach on the locked test part, with intervals: how much would change with other groups of images.

An interval is about the test part: what the same networks would reach on other groups of the same kind. What another
training would reach is the noise of the seed, which is measured apart (`seed_noise`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from scipy.special import chdtri

from search.errors import DataError
from search.selection.answer import FEWEST_GROUPS, ClassScore, Difference, Interval
from search.selection.resampling import LEVEL, Resampled, count_pixels, interval, measure, sum_groups

RESAMPLES = 10_000
"""So many that another seed of the drawing hardly moves the ends of an interval."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one system reaches. `seeds` is the mIoU of each of its networks, empty where there is but one."""

    miou: Interval
    classes: tuple[ClassScore, ...]
    seeds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What systems reach on the same images, of so many groups.

    `systems` has their names in the order given; `differences` are the mIoU of the first minus that of each other.
    """

    images: int
    groups: int
    systems: dict[str, Score]
    differences: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class SeedNoise:
    """The standard deviation between seeds of one configuration, its degrees of freedom and its 95 % interval."""

    deviation: float
    degrees: int
    low: float
    high: float


def score(
    systems: Mapping[str, Sequence[np.ndarray]],
    groups: np.ndarray,
    *,
    class_names: Sequence[str],
    ignored: Sequence[int] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Scores:
    """Measure systems on the same N images: mIoU, IoU of each class, paired differences, all with 95 % intervals.

    The mean is over the classes that the truth of these images holds and that are not ignored, the same in every
    system. Nothing depends on the order of the images.

    Args:
        systems: the networks of each system, at least one, each as a confusion matrix an image: (N, K, K) int64,
            pixels, rows truth, columns prediction. What a system of several networks reaches is the mean over them.
        groups: what each image belongs to (N,), numbers or names; an image of no known group has a label of its own
        class_names: of the K classes
        ignored: classes whose pixels are left out
        resamples: how often groups are drawn anew
        seed: of the drawing

    Raises DataError where the truth holds no class that counts.
    """
    networks = [matrices for system in systems.values() for matrices in system]
    labels, places = np.unique(groups, return_inverse=True)
    _check(networks, (len(places), len(class_names), len(class_names)))
    held = sum_groups(networks[0].sum(2), places, len(labels)) > 0
    classes = [index for index in range(len(class_names)) if held[:, index].any() and index not in ignored]
    if not classes:
        raise DataError(
            "a score needs images whose truth holds at least one class that counts, and these hold none; give others, "
            "or ignore fewer classes"
        )
    counts = np.stack([sum_groups(count_pixels(each, classes, ignored), places, len(labels)) for each in networks], 1)
    slices = [slice(*ends) for ends in pairwise(accumulate(map(len, systems.values()), initial=0))]
    table = _Table(
        drawn=Resampled.of(counts, slices, count=resamples, seed=seed),
        held=held,
        classes=classes,
        class_names=tuple(class_names),
    )
    alone = measure(counts.sum(0), [slice(index, index + 1) for index in range(len(networks))])[:, 0].tolist()
    return Scores(
        images=len(places),
        groups=len(labels),
        systems={name: table.score(row, alone[slices[row]]) for row, name in enumerate(systems)},
        differences=tuple(
            Difference(against=name, difference=table.difference(row)) for row, name in enumerate(systems) if row > 0
        ),
    )


def seed_noise(values: Sequence[Sequence[float]]) -> SeedNoise | None:
    """The noise of the seed, from the mIoUs of several seeds of each configuration; None where none has two.

    Variances within configurations are pooled, each deviation from its own configuration's mean. The interval is the
    chi-square one, for values that scatter normally and alike in all configurations.
    """
    repeated = [np.array(seeds, np.float64) for seeds in values if len(seeds) > 1]
    if not repeated:
        return None
    degrees = sum(len(seeds) - 1 for seeds in repeated)
    squares = sum(float(((seeds - seeds.mean()) ** 2).sum()) for seeds in repeated)
    low, high = (math.sqrt(squares / chdtri(degrees, tail)) for tail in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return SeedNoise(deviation=math.sqrt(squares / degrees), degrees=degrees, low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class _Table:
    """The values of all systems, and which groups hold which class, (G, K); `classes` are those that count."""

    drawn: Resampled
    held: np.ndarray
    classes: Sequence[int]
    class_names: tuple[str, ...]

    @property
    def groups(self) -> int:
        """Groups that hold any class that counts: the others tell nothing."""
        return int(self.held[:, self.classes].any(1).sum())

    def score(self, row: int, alone: Sequence[float]) -> Score:
        """System `row`; `alone` holds the mIoU of each of its networks."""
        return Score(
            miou=self._interval(lambda values: values[..., row, 0], self.groups),
            classes=tuple(self._class_score(row, index) for index in range(len(self.class_names))),
            seeds=tuple(alone) if len(alone) > 1 else (),
        )

    def difference(self, row: int) -> Interval:
        """The mIoU of the first system minus that of system `row`, in each resample on the same groups."""
        return self._interval(lambda values: values[..., 0, 0] - values[..., row, 0], self.groups)

    def _class_score(self, row: int, index: int) -> ClassScore:
        groups = int(self.held[:, index].sum())
        iou = None
        if index in self.classes:
            column = 1 + self.classes.index(index)
            iou = self._interval(lambda values: values[..., row, column], groups)
        return ClassScore(name=self.class_names[index], groups=groups, iou=iou)

    def _interval(self, read: Callable[[np.ndarray], np.ndarray], groups: int) -> Interval:
        value = float(read(self.drawn.observed))
        if groups < FEWEST_GROUPS:
            return Interval(value=value)
        low, high = interval(read(self.drawn.resampled), read(self.drawn.left_out))
        return Interval(value=value, low=low, high=high)


def _check(networks: Sequence[np.ndarray], shape: tuple[int, int, int]) -> None:
    """That all matrices are of the same images and classes."""
    assert networks, "at least one system"
    assert all(matrices.shape == shape for matrices in networks), f"confusion matrices (N, K, K) of {shape}"
    truth = networks[0].sum(2)
    assert all(np.array_equal(matrices.sum(2), truth) for matrices in networks[1:]), "networks differ in their truth"
