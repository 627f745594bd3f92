"""How often intervals of nominally 95 % hold the true mean IoU, and how wide they are: bootstraps over groups, and as
a contrast those over images and over pixels.

    uv run python benchmarks/bootstrap_coverage.py --json FILE

Groups are made up (`made_up_groups.py`), so that the true values are known. Two systems are measured on the same
groups: one network, and three networks whose values are averaged.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.special import ndtr, ndtri

from benchmarks.made_up_groups import RARE, World
from search.command import run_command
from search.selection.resampling import (
    LEVEL,
    Resampled,
    count_pixels,
    expanded_level,
    interval,
    measure,
    percentile,
    sum_groups,
)

WIDTH = 140
"""Characters a line where the output is no terminal."""

SYSTEMS = [slice(0, 1), slice(1, 4)]
VALUES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mIoU": lambda values: values[..., 0, 0],
    "IoU of the rare class": lambda values: values[..., 0, 1 + RARE],
    "IoU of a common class": lambda values: values[..., 0, 1],
    "difference of mIoU": lambda values: values[..., 1, 0] - values[..., 0, 0],
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Simulate test parts, and count how often each interval holds the true value."""

    cases: tuple[tuple[int, int], ...] = (
        (20, 2), (20, 5), (50, 5), (100, 10), (140, 5), (140, 15), (200, 20), (200, 80),
    )  # fmt: skip
    """Groups of a test part, and how many of them hold the rare class."""

    simulations: int = 1000
    """Test parts of each case."""

    resamples: int = 2000
    """Resamples of each test part."""

    seed: int = 0
    """Of the groups and the resamples."""

    json: Path | None = None
    """Where to write the tables as JSON."""


def main() -> None:
    """Simulate, print a table for each value, write."""
    options = tyro.cli(Options)
    cases = [simulate(World(), groups, holders, options) for groups, holders in options.cases]
    for value in VALUES:
        show(value, [row for rows in cases for row in rows if row["value"] == value])
    if options.json is not None:
        settings = {"simulations": options.simulations, "resamples": options.resamples, "seed": options.seed}
        result = {"date": time.strftime("%Y-%m-%d"), **settings, "rows": [row for rows in cases for row in rows]}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def simulate(world: World, groups: int, holders: int, options: Options) -> list[dict[str, Any]]:
    """Coverage and width of each method for each value, in test parts of so many groups."""
    rng = np.random.default_rng([options.seed, groups, holders])
    truth = world.true_values(groups, holders, SYSTEMS, seed=options.seed)
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    observed: list[np.ndarray] = []
    absent = 0.0
    steps = track(range(options.simulations), description=f"{groups} groups, {holders} with the rare class")
    for _ in steps if sys.stderr.isatty() else range(options.simulations):
        confusions, places = world.draw(groups, holders, rng)
        drawn, intervals = all_intervals(confusions, places, groups, options.resamples, int(rng.integers(2**31)))
        observed.append(drawn.observed)
        absent += float(np.isnan(VALUES["IoU of the rare class"](drawn.resampled)).mean()) / options.simulations
        for key, ends in intervals.items():
            found.setdefault(key, []).append(ends)
    rows = []
    for (value, method), intervals in found.items():
        read = VALUES[value]
        values = read(np.array(observed))
        rows.append(
            {"value": value, "groups": groups, "with rare class": holders, "method": method}
            | counted(float(read(truth)), np.array(intervals))
            | {
                "needed": round(float(np.subtract(*np.quantile(values, [0.975, 0.025]))), 4),
                "bias": round(float(values.mean() - read(truth)), 4),
                "resamples without the rare class": round(absent, 4),
            }
        )
    return rows


def all_intervals(
    confusions: np.ndarray, places: np.ndarray, groups: int, resamples: int, seed: int
) -> tuple[Resampled, dict[tuple[str, str], tuple[float, float]]]:
    """The values of one test part on groups drawn anew, and the interval of each value by each method."""
    images = np.stack([count_pixels(each, range(confusions.shape[-1])) for each in confusions], axis=1)
    by_group = Resampled.of(sum_groups(images, places, groups), SYSTEMS, count=resamples, seed=seed)
    by_image = Resampled.of(images, SYSTEMS, count=resamples, seed=seed)
    by_pixel = pixels_anew(confusions.sum(1), resamples, seed)
    intervals = {}
    for value, read in VALUES.items():
        observed = float(read(by_group.observed))
        drawn, left_out = read(by_group.resampled), read(by_group.left_out)
        intervals[value, "percentile"] = percentile(drawn)
        intervals[value, "basic"] = basic(observed, drawn)
        intervals[value, "BCa"] = bca(observed, drawn, left_out)
        intervals[value, "expanded percentile"] = interval(drawn, left_out)
        intervals[value, "expanded BCa"] = bca(observed, drawn, left_out, expanded_level(left_out))
        intervals[value, "images"] = percentile(read(by_image.resampled))
        if value != "difference of mIoU":  # pairs of pixels are not in the matrices
            intervals[value, "pixels"] = percentile(read(by_pixel))
    return by_group, intervals


def pixels_anew(confusions: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Values (B, S, 5) of matrices (M, 4, 4) whose pixels are drawn anew, as if each were independent."""
    rng = np.random.default_rng(seed)
    shape = (resamples, *confusions.shape[1:])
    drawn = [rng.multinomial(each.sum(), each.ravel() / each.sum(), resamples).reshape(shape) for each in confusions]
    counts = np.stack([count_pixels(each, range(confusions.shape[-1])) for each in drawn], axis=1)
    return measure(counts, SYSTEMS)


def basic(observed: float, resampled: np.ndarray) -> tuple[float, float]:
    """The percentile interval, mirrored at the value."""
    low, high = percentile(resampled)
    return 2 * observed - high, 2 * observed - low


def bca(observed: float, resampled: np.ndarray, left_out: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """The bias-corrected and accelerated interval (Efron 1987) of a value: its lower and its upper end.

    Args:
        observed: the value on the groups as they are
        resampled: the value (B,) on groups drawn anew; NaN, where it is not defined, is left out
        left_out: the value (G,) with one group left out at a time
        level: how often such intervals are to hold the true value
    """
    values = resampled[~np.isnan(resampled)]
    below = ((values < observed).sum() + (values <= observed).sum()) / (2 * len(values))
    # Beyond all resamples the correction is infinite: then as if half a resample were on the other side.
    margin = 1 / (2 * len(values))
    bias = ndtri(np.clip(below, margin, 1 - margin))
    shifted = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    # As the divisor nears 0 the end tends to the outermost resample, and stays there beyond it.
    shares = ndtr(bias + shifted / np.maximum(1 - acceleration(left_out) * shifted, 1e-9))
    low, high = np.quantile(values, shares)
    return float(low), float(high)


def acceleration(left_out: np.ndarray) -> float:
    """How fast the standard error changes with the value, from the jackknife; 0 where no group changes anything."""
    pulls = left_out.mean() - left_out
    squares = float((pulls**2).sum())
    return float((pulls**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0


def counted(truth: float, intervals: np.ndarray) -> dict[str, float]:
    """Of intervals (R, 2): how many hold the truth, in percent, with the error; how many are too high or too low."""
    above, below = (intervals[:, 0] > truth).mean(), (intervals[:, 1] < truth).mean()
    coverage = 1 - above - below
    error = math.sqrt(coverage * (1 - coverage) / len(intervals))
    shares = {"coverage": coverage, "error": error, "too high": above, "too low": below}
    width = round(float((intervals[:, 1] - intervals[:, 0]).mean()), 4)
    return {name: round(100 * float(share), 1) for name, share in shares.items()} | {"width": width}


def show(value: str, rows: list[dict[str, Any]]) -> None:
    """Print a table: a line a case, a column a method."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    title = f"{value}: % of intervals that hold the true value +- Monte-Carlo error, and their mean width"
    table = Table(title=title, title_justify="left", box=None)
    for column in ("groups", "with rare class", *methods, "needed width", "bias", "without"):
        table.add_column(column)
    for case in dict.fromkeys((row["groups"], row["with rare class"]) for row in rows):
        own = {row["method"]: row for row in rows if (row["groups"], row["with rare class"]) == case}
        cells = [f"{row['coverage']:.1f} +- {row['error']:.1f}  {row['width']:.3f}" for row in own.values()]
        first = next(iter(own.values()))
        last = [f"{first['needed']:.3f}", f"{first['bias']:+.4f}", f"{first['resamples without the rare class']:.1%}"]
        table.add_row(*map(str, case), *cells, *last)
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


if __name__ == "__main__":
    run_command(main)
