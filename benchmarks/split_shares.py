"""How near the parts of a split come to 60 / 20 / 20: the project's own assignment against iterative stratification,
and splits stratified on class presence against those on the types of images too.

    uv run python benchmarks/split_shares.py --data PATH --seeds 0 1 2 3

Both divide the same groups (near-duplicates joined) of the same cleaned images. Iterative stratification gets groups as
rows and "holds an image of the class" as labels, in two ways. The second table is about the whole split, for each rule
that tells two types of images apart (`search.data.dispersion`).
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import tyro
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold, MultilabelStratifiedShuffleSplit

from benchmarks.rows import print_rows
from search.command import run_command
from search.data.assignment import assign
from search.data.audit import Audit, audit, clean
from search.data.counts import pixel_counts
from search.data.dataset import PARTS, SegmentationData
from search.data.demo import demo_data
from search.data.dispersion import image_types
from search.data.read import read_data
from search.data.split import FRACTIONS, group_counts, merge_groups, split
from search.data.split_tables import split_shares
from search.data.stratification import DispersionRule, Stratification


@dataclass(frozen=True, kw_only=True)
class Options:
    """Compare the shares that two ways to split by groups give."""

    data: Path | None = None
    """An npz file or a folder. Default: the demo set."""

    seeds: tuple[int, ...] = (0, 1, 2, 3)
    """Seeds of the splits."""

    json: Path | None = None
    """Where to write the table as JSON."""


def main() -> None:
    """Split by all, print the tables."""
    options = tyro.cli(Options)
    data, report = cleaned(options.data)
    counts = counts_of_groups(data, report)
    ways: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
        "own": own,
        "iterative stratification, shuffled": shuffled,
        "iterative stratification, five folds": five_folds,
    }
    rows = [{"way": name, **worst(counts, way, options.seeds)} for name, way in ways.items()]
    types = type_rows(data, report, options.seeds)
    print_rows(f"largest deviation in points, {len(options.seeds)} seeds", rows)
    if types:
        print_rows("Non-seg images: their share in each part, and the largest deviations in points", types)
    if options.json is not None:
        result = {
            "date": time.strftime("%Y-%m-%d"), "groups": len(counts), "seeds": options.seeds, "rows": rows,
            "types": types,
        }  # fmt: skip
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def cleaned(path: Path | None) -> tuple[SegmentationData, Audit]:
    """The data without outliers, and its audit."""
    data = demo_data() if path is None else read_data(path)
    report = audit(data)
    return clean(data, report), report


def type_rows(data: SegmentationData, report: Audit, seeds: tuple[int, ...]) -> list[dict[str, Any]]:
    """For each rule that finds two types: how their images share out without it and with it."""
    rows = []
    for rule in get_args(DispersionRule):
        types = image_types(pixel_counts(data.masks)[:, : data.classes], rule)
        if types is not None and types.told_apart:
            number = int(types.non_segmented.sum())
            ways: tuple[Stratification, ...] = ("presence", rule)
            rows += [
                {"rule": rule, "Non-seg": number, "stratified on": way, **shares(data, report, rule, way, seeds)}
                for way in ways
            ]
    return rows


def shares(
    data: SegmentationData, report: Audit, rule: DispersionRule, way: Stratification, seeds: tuple[int, ...]
) -> dict[str, Any]:
    """Non-seg images by `rule` in splits stratified on `way`, lowest and highest share over seeds; and deviations."""
    splits = [split(data, report, seed=seed, stratify=way) for seed in seeds]
    found = [split_shares(data, result, rule) for result in splits]
    non_seg = 100 * np.array([kinds[-1].parts for kinds in found])
    off = np.array([[np.abs(np.subtract(kind.parts, FRACTIONS)).max() for kind in kinds] for kinds in found]).max(
        axis=0
    )
    ranges = {
        part: f"{low:.1f}-{high:.1f} %"
        for part, low, high in zip(PARTS, non_seg.min(axis=0), non_seg.max(axis=0), strict=True)
    }
    counted = [1 + index for index in data.meaningful if found[0][1 + index].images]
    worst_of = {"images": off[0], "worst class": off[counted].max(), "worst type": off[-2:].max()}
    return ranges | {name: round(100 * float(value), 2) for name, value in worst_of.items()}


def counts_of_groups(data: SegmentationData, report: Audit) -> np.ndarray:
    """Images, and images that hold each class, of each group: (G, 1 + K)."""
    presence = pixel_counts(data.masks)[:, list(data.meaningful)] > 0
    return group_counts(presence, merge_groups(data, report))


def own(counts: np.ndarray, seed: int) -> np.ndarray:
    """The part of each group by `search.data.assignment`."""
    return assign(counts, FRACTIONS, np.random.default_rng(seed))


def shuffled(counts: np.ndarray, seed: int) -> np.ndarray:
    """The part of each group by `iterative-stratification`: first test against the rest, then validation."""
    labels = (counts[:, 1:] > 0).astype(int)
    parts = np.zeros(len(counts), dtype=int)
    rest = np.arange(len(counts))
    for part in (2, 1):
        size = round(FRACTIONS[part] * len(counts))
        sizes: dict[str, Any] = {"test_size": size, "train_size": len(rest) - size}  # the package has no types
        splitter = MultilabelStratifiedShuffleSplit(n_splits=1, random_state=seed, **sizes)
        kept, taken = next(splitter.split(rest, labels[rest]))
        parts[rest[taken]] = part
        rest = rest[kept]
    return parts


def five_folds(counts: np.ndarray, seed: int) -> np.ndarray:
    """The part of each group by five folds of `iterative-stratification`: three train, one validates, one tests."""
    labels = (counts[:, 1:] > 0).astype(int)
    parts = np.zeros(len(counts), dtype=int)
    folds = MultilabelStratifiedKFold(n_splits=5, shuffle=True, random_state=seed).split(counts, labels)
    for part, (_, taken) in zip((0, 0, 0, 1, 2), folds, strict=True):
        parts[taken] = part
    return parts


def worst(counts: np.ndarray, way: Callable[[np.ndarray, int], np.ndarray], seeds: tuple[int, ...]) -> dict[str, float]:
    """The largest deviation from the wanted shares, over seeds and parts: of all images, and of a class's images."""
    deviations = []
    for seed in seeds:
        parts = way(counts, seed)
        held = np.stack([counts[parts == part].sum(axis=0) for part in range(len(FRACTIONS))])
        shares = held / np.maximum(1, counts.sum(axis=0))
        present = counts.sum(axis=0) > 0
        deviations.append(np.abs(shares - np.array(FRACTIONS)[:, None])[:, present].max(axis=0))
    highest = np.max(deviations, axis=0)
    return {"images": round(100 * float(highest[0]), 2), "worst class": round(100 * float(highest[1:].max()), 2)}


if __name__ == "__main__":
    run_command(main)
