"""The split of a data set into train, validation and the locked test part: by groups, stratified, reproducible."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from search.data.assignment import assign
from search.data.audit import Audit
from search.data.counts import pixel_counts
from search.data.coverage import coverage_warnings, missing_types
from search.data.dataset import PARTS, Part, SegmentationData
from search.data.dispersion import image_types, type_warnings
from search.data.duplicates import connected
from search.data.splits_table import Row, write_table
from search.data.stratification import Stratification
from search.errors import DataError
from spaces.schema import Config

Fractions = tuple[float, float, float]
FRACTIONS: Fractions = (0.6, 0.2, 0.2)
MIN_GROUPS = len(PARTS)


class SplitRecipe(Config):
    """How a split came about: by groups, by image (too few groups), or predefined by the data; stratified on what."""

    rule: Literal["groups", "images", "predefined"]
    fractions: Fractions
    seed: Annotated[int, Field(ge=0)]
    stratify: Stratification = "presence"

    @property
    def words(self) -> str:
        """The rule, and what it stratified on besides the presence of classes."""
        return self.rule if self.stratify == "presence" else f"{self.rule}, stratified on {self.stratify}"


class Split(Config):
    """The part and the group of every image that the audit left, by stem."""

    stems: tuple[str, ...]
    parts: tuple[Part, ...]
    groups: tuple[str, ...]
    recipe: SplitRecipe
    warnings: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        if not len(self.stems) == len(self.parts) == len(self.groups):
            raise ValueError("stems, parts and groups need one entry for each image")
        return self

    @property
    def fingerprint(self) -> str:
        """sha256 of which image is in which part: equal for equal splits, whatever recipe made them."""
        lines = sorted(f"{stem}\t{part}" for stem, part in zip(self.stems, self.parts, strict=True))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def indices(self, part: Part) -> np.ndarray:
        """Positions of the images of one part, ascending."""
        return np.flatnonzero(np.array(self.parts) == part)

    def write(self, path: Path) -> None:
        """Write `split.csv`: stem, split, group."""
        rows = zip(self.stems, self.parts, self.groups, strict=True)
        write_table(path, [Row(stem=stem, part=part, group=group) for stem, part, group in rows])


def split(
    data: SegmentationData,
    audit: Audit,
    *,
    seed: int,
    fractions: Fractions = FRACTIONS,
    stratify: Stratification = "presence",
) -> Split:
    """Split cleaned data 60 / 20 / 20 by groups, stratified on class presence; deterministic in `seed`.

    Near-duplicates join the groups of their images; an unknown group is its own. A class in fewer than three groups
    goes to train, then validation, then test. Under three groups images are split one by one. A split that came with
    the data is taken as it is. `stratify` may add the types of images that a rule of `search.data.dispersion` finds.
    Whatever departs from the rule is in `warnings`. Raises DataError for too few images, and for types asked of a split
    that came with the data.
    """
    check_request(len(data), fractions)
    groups = merge_groups(data, audit)
    pixels = pixel_counts(data.masks)[:, : data.classes]
    presence = pixels[:, list(data.meaningful)] > 0
    types = image_types(pixels, stratify)
    labels, warnings = groups, []
    if data.parts is not None:
        rule, parts = "predefined", np.array([PARTS.index(part) for part in data.parts])
        check_predefined(parts, stratify)
    else:
        rule = "groups" if groups.max() + 1 >= MIN_GROUPS else "images"
        if rule == "images":
            labels = join_duplicates(data, audit)
            warnings.append(few_groups(int(groups.max()) + 1))
        kinds = types.columns if types is not None and types.told_apart else presence[:, :0]
        counts = group_counts(np.column_stack([presence, kinds]), labels)
        parts = assign(counts, fractions, np.random.default_rng(seed), optional=kinds.shape[1])[labels]
    names = tuple(data.class_names[index] for index in data.meaningful)
    warnings += coverage_warnings(presence, parts, labels, names, None if rule == "predefined" else fractions)
    if types is not None:
        warnings += type_warnings(types)
        warnings += missing_types(types.columns, parts, labels) if types.told_apart else []
    return Split(
        stems=data.stems,
        parts=tuple(PARTS[part] for part in parts),
        groups=group_names(data, groups),
        recipe=SplitRecipe(rule=rule, fractions=fractions, seed=seed, stratify=stratify),
        warnings=tuple(warnings),
    )


def check_request(images: int, fractions: Fractions) -> None:
    """Raise DataError for fractions that are none and for fewer images than they need."""
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise DataError(f"the fractions of a split must be positive and sum to 1, they are {fractions}")
    needed = int(np.ceil(1 / min(fractions) - 1e-9))
    if images < needed:
        raise DataError(
            f"a split of {' / '.join(f'{share:.0%}' for share in fractions)} needs at least {needed} images; "
            f"{images} remain after the audit. Annotate more images"
        )


def check_predefined(parts: np.ndarray, stratify: Stratification) -> None:
    """Raise DataError unless a predefined split has images to train and to validate on, and nothing else is asked."""
    if stratify != "presence":
        raise DataError(
            f"--stratify {stratify} decides which image is in which part, and splits.csv says that already: leave "
            "out --stratify, or the split column of splits.csv"
        )
    for index, part in enumerate(PARTS[:2]):
        if not (parts == index).any():
            raise DataError(f"a split needs images in train and validation; splits.csv has none in {part}")


def few_groups(groups: int) -> str:
    """The warning where groups cannot be kept together."""
    return (
        f"a split by groups needs {MIN_GROUPS} groups, the data has {groups}: images are split one by one, so "
        "that similar images may be in different parts and validation may be too optimistic"
    )


def merge_groups(data: SegmentationData, audit: Audit) -> np.ndarray:
    """The group 0..G-1 of each image (N,): named groups, joined where near-duplicates connect them (union-find)."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(group, index), index) for index, group in enumerate(data.groups) if group is not None]
    return connected(len(data), _pairs(pairs + duplicate_pairs(data, audit)))


def join_duplicates(data: SegmentationData, audit: Audit) -> np.ndarray:
    """A label for each image (N,), the same for near-duplicates; each its own where a set would outgrow a part."""
    labels = connected(len(data), _pairs(duplicate_pairs(data, audit)))
    return labels if np.bincount(labels).max() <= min(FRACTIONS) * len(data) else np.arange(len(data))


def duplicate_pairs(data: SegmentationData, audit: Audit) -> list[tuple[int, int]]:
    """Positions of near-duplicates, each with the first of its set."""
    position = {stem: index for index, stem in enumerate(data.stems)}
    return [(position[stems[0]], position[stem]) for stems in audit.duplicates for stem in stems[1:]]


def _pairs(pairs: list[tuple[int, int]]) -> np.ndarray:
    return np.array(pairs, dtype=int).reshape(-1, 2)


def group_counts(presence: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Images, and images holding each class (or of each type), of each group: (G, 1 + K) from presence (N, K)."""
    columns = np.column_stack([np.ones(len(presence), dtype=int), presence.astype(int)])
    counts = np.zeros((groups.max() + 1, columns.shape[1]), dtype=int)
    np.add.at(counts, groups, columns)
    return counts


def group_names(data: SegmentationData, groups: np.ndarray) -> tuple[str, ...]:
    """A name for the group of each image: the first known group name in it, else the first stem."""
    names: dict[int, str] = {}
    for group, known in zip(groups.tolist(), data.groups, strict=True):
        if known is not None:
            names.setdefault(group, known)
    for group, stem in zip(groups.tolist(), data.stems, strict=True):
        names.setdefault(group, stem)
    return tuple(names[group] for group in groups.tolist())
