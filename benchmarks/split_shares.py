"""How near the parts of a split come to 60 / 20 / 20: the project's own assignment against iterative stratification.

    uv run python benchmarks/split_shares.py --data PATH --seeds 0 1 2 3

Both divide the same groups (near-duplicates joined) of the same cleaned images. Iterative stratification gets groups as
rows and "holds an image of the class" as labels, in two ways.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold, MultilabelStratifiedShuffleSplit
from rich.console import Console
from rich.table import Table

from search.command import run_command
from search.data.assignment import assign
from search.data.audit import audit, clean
from search.data.counts import pixel_counts
from search.data.demo import demo_data
from search.data.read import read_data
from search.data.split import FRACTIONS, group_counts, merge_groups


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
    """Split by both, print the table."""
    options = tyro.cli(Options)
    counts = counts_of_groups(options.data)
    ways: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
        "own": own,
        "iterative stratification, shuffled": shuffled,
        "iterative stratification, five folds": five_folds,
    }
    rows = [{"way": name, **worst(counts, way, options.seeds)} for name, way in ways.items()]
    table = Table(title=f"largest deviation in points, {len(options.seeds)} seeds", title_justify="left", box=None)
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)
    if options.json is not None:
        result = {"date": time.strftime("%Y-%m-%d"), "groups": len(counts), "seeds": options.seeds, "rows": rows}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def counts_of_groups(path: Path | None) -> np.ndarray:
    """Images, and images that hold each class, of each group: (G, 1 + K)."""
    data = demo_data() if path is None else read_data(path)
    report = audit(data)
    kept = clean(data, report)
    presence = pixel_counts(kept.masks)[:, list(kept.meaningful)] > 0
    return group_counts(presence, merge_groups(kept, report))


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
