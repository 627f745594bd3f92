"""Two types of images by how unevenly the classes share their pixels, for a split that gives every part both.

Report 001 balances its split "between mostly-non-segmented and well-segmented images" (its Eq. 2 and 3):

    disp(img) = std([n_0, n_1, n_2, n_3, n_4] / sum n_i)
    type(img) = Well-seg. where disp(img) < 0.45, Non-seg. where disp(img) >= 0.45

n_i are the pixels of class i, the background among them. No more than this is published. As printed it tells nothing
apart: K fractions that sum to 1 have a population standard deviation of at most sqrt(K - 1) / K, .4 for five classes
(and .447 with the sample's divisor). What the report computed is not known; the other rules are ours.
"""

from dataclasses import dataclass

import numpy as np

from search.data.stratification import DispersionRule, Stratification

PUBLISHED_THRESHOLD = 0.45
SHARE_OF_LARGEST = 7 / 8
"""A threshold as a share of the largest dispersion: .35 for five classes, which one class of about 90 % reaches."""

DIGITS = 12
"""Dispersions are rounded to these decimals, so that equal fractions in another order are equal, and .45 is .45."""

TYPES = ("Well-seg", "Non-seg")


@dataclass(frozen=True, kw_only=True)
class ImageTypes:
    """The type of each image by one rule: `dispersions` (N,), `non_segmented` (N,) bool, for images of K classes.

    `labelled` (N,) bool: whether an image has any label.
    """

    rule: DispersionRule
    classes: int
    dispersions: np.ndarray
    threshold: float
    non_segmented: np.ndarray
    labelled: np.ndarray

    @property
    def columns(self) -> np.ndarray:
        """Whether each image is of each of `TYPES`: (N, 2) bool."""
        return np.column_stack([~self.non_segmented, self.non_segmented])

    @property
    def told_apart(self) -> bool:
        """Whether there are labelled images of both types: one without a label says nothing of a rule."""
        return bool(self.columns[self.labelled].any(axis=0).all())


def image_types(counts: np.ndarray, rule: Stratification) -> ImageTypes | None:
    """The types of images from their pixels of each class (N, K); None for `presence`, which knows no types.

    - dispersion: the published threshold, over the classes present in an image. One class alone has no dispersion, and
      is Non-seg; of two classes the larger needs 95 %; of four or more none can.
    - dispersion-literal: as printed, with numpy's `std`.
    - dispersion-threshold: over all K classes, from 7/8 of the largest possible dispersion: .35 for five.
    - dispersion-quantile: over all K classes, from the median of these images, so that there are always two types
      unless all are alike.

    Pixels without a label do not count; an image of these alone is Non-seg by every rule.
    """
    if rule == "presence":
        return None
    present = (counts > 0).sum(axis=1)
    dispersions = dispersion(counts, present_only=rule == "dispersion")
    threshold = threshold_of(rule, dispersions[present > 0], counts.shape[1])
    return ImageTypes(
        rule=rule,
        classes=counts.shape[1],
        dispersions=dispersions,
        threshold=threshold,
        non_segmented=(dispersions >= threshold) | (present <= int(rule == "dispersion")),
        labelled=present > 0,
    )


def dispersion(counts: np.ndarray, *, present_only: bool = False) -> np.ndarray:
    """The population standard deviation of each image's class fractions (N,), from pixels (N, K).

    `present_only` takes it over the classes that the image holds. 0 where nothing is labelled.
    """
    total = counts.sum(axis=1, keepdims=True)
    included = (counts > 0) | (total == 0) if present_only else np.ones(counts.shape, dtype=bool)
    return (counts / np.maximum(total, 1)).std(axis=1, where=included).round(DIGITS)


def largest_dispersion(classes: int) -> float:
    """The dispersion of an image of one class among `classes`, which no other image exceeds."""
    return float(np.sqrt(classes - 1) / classes)


def threshold_of(rule: DispersionRule, dispersions: np.ndarray, classes: int) -> float:
    """Where Non-seg begins, given the dispersions of the labelled images."""
    match rule:
        case "dispersion" | "dispersion-literal":
            return PUBLISHED_THRESHOLD
        case "dispersion-threshold":
            return round(SHARE_OF_LARGEST * largest_dispersion(classes), DIGITS)
        case "dispersion-quantile":
            return middle(dispersions)


def middle(dispersions: np.ndarray) -> float:
    """The median, or the lowest value over the minimum where half of the images are at the minimum."""
    if len(dispersions) == 0:
        return 0.0
    above = dispersions[dispersions > dispersions.min()]
    return max(float(np.median(dispersions)), float(above.min())) if len(above) else float(dispersions[0])


def type_warnings(types: ImageTypes) -> list[str]:
    """A sentence where a rule cannot tell images apart, or does not on this data."""
    largest = largest_dispersion(types.classes)
    if types.rule == "dispersion-literal" and largest < types.threshold:
        return [
            f"--stratify dispersion-literal calls no labelled image Non-seg, whatever the data: the fractions of "
            f"{types.classes} classes have a standard deviation of at most {largest:.4f}, and the published threshold "
            f"is {types.threshold}. Use --stratify dispersion, or another of its forms"
        ]
    if types.told_apart:
        return []
    counted = types.labelled if types.labelled.any() else ~types.labelled
    dispersions, only = types.dispersions[counted], TYPES[int(types.non_segmented[counted].all())]
    way_out = "" if types.rule == "dispersion-quantile" else "; --stratify dispersion-quantile divides at the median"
    return [
        f"--stratify {types.rule} finds {only} images alone (dispersions {dispersions.min():.4f} to "
        f"{dispersions.max():.4f}, Non-seg from {types.threshold:.4f}), so that the split is that of "
        f"presence{way_out}"
    ]
