"""How often intervals of nominally 95 % hold the true mean IoU, and how wide they are: three bootstraps over groups,
and as a contrast those over images and over pixels.

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
from scipy.special import ndtr, stdtrit

from benchmarks.made_up_groups import RARE, World
from search.command import run_command
from search.selection.resampling import LEVEL, Resampled, bca, count_pixels, measure, sum_groups

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

    simulations: int = 2000
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
        for key, interval in intervals.items():
            found.setdefault(key, []).append(interval)
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
        observed, drawn, left_out = (
            read(values) for values in (by_group.observed, by_group.resampled, by_group.left_out)
        )
        intervals[value, "percentile"] = percentile(drawn)
        intervals[value, "basic"] = basic(observed, drawn)
        intervals[value, "BCa"] = bca(observed, drawn, left_out)
        intervals[value, "expanded BCa"] = expanded(observed, drawn, left_out)
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


def percentile(resampled: np.ndarray) -> tuple[float, float]:
    """What the middle 95 % of the resamples span (Efron 1979)."""
    low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def basic(observed: float, resampled: np.ndarray) -> tuple[float, float]:
    """The percentile interval, mirrored at the value."""
    low, high = percentile(resampled)
    return 2 * observed - high, 2 * observed - low


def expanded(observed: float, resampled: np.ndarray, left_out: np.ndarray) -> tuple[float, float]:
    """BCa at the level that Student's t asks for (Hesterberg 2015), so that few groups make it wider.

    The degrees of freedom are those of the jackknife's variance (Satterthwaite 1946), which is dominated by few groups
    where few hold a class or are large.
    """
    squares = (left_out - left_out.mean()) ** 2
    spread = float((squares**2).sum() - squares.sum() ** 2 / len(squares))
    degrees = max(2.0, 2 * float(squares.sum()) ** 2 / spread) if spread > 0 else len(squares) - 1.0
    wide = stdtrit(degrees, (1 + LEVEL) / 2) * math.sqrt((degrees + 1) / degrees)
    return bca(observed, resampled, left_out, level=2 * float(ndtr(wide)) - 1)


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
