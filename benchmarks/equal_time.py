"""What changes of the default point reach in equal training time.

    uv run python benchmarks/equal_time.py --data PATH --seconds 480 --change model.patch=1 --change model.width=8

Each arm is the default point of a space, or with `--start` one of its named points, with some parameters changed
(comma-separated; `search.spaces SPACE --json` has their names); the point itself is always an arm. Every arm
gets the same seconds: its number of epochs, and with it its schedule, is what the time allows, by the second epoch of a
run that is thrown away. `--at-once` trainings run side by side on one thread each, arms in turn, so that all meet the
same load. Prints a table, and writes it with all curves as JSON with --json.
"""

import json
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from search.command import run_command
from search.data.prepare import prepare_data
from search.data.samples import TrialData
from search.errors import SpaceError
from search.training.loop import train
from search.tuning.probe import PRECISIONS
from search.tuning.trial_folder import trial_files
from spaces.config import BudgetConfig, Precision, TrialConfig
from spaces.domains import Domain, Scalar, label
from spaces.presets import build_space
from spaces.space import SearchSpace


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train changed default points for the same time each, and compare their best validation mIoU."""

    space: str = "unet_family"
    """A preset, or FILE.py:function."""

    data: Path | None = None
    """An npz file or a folder. Default: the demo set."""

    start: str = "default"
    """The point that is changed: default, or the name of a named point."""

    change: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """One arm each: NAME=VALUE[,NAME=VALUE...]."""

    seconds: float = 480.0
    """Time for each training."""

    seeds: tuple[int, ...] = (0, 1)
    """Seeds of the trainings; the split is always that of seed 0."""

    at_once: int = 2
    """Trainings at once, one thread each."""

    precision: Precision = PRECISIONS[0]
    """What `search.run` prints that it chose on this machine."""

    json: Path | None = None
    """Where to write the table as JSON."""


def main() -> None:
    """Train, compare, print."""
    options = tyro.cli(Options)
    data = prepare_data(options.data, seed=0).trial
    space = build_space(options.space, data.facts)
    arms = {options.start: changed(space, options.start)}
    arms |= {text: changed(space, options.start, text) for text in options.change}
    jobs = [(name, seed) for seed in options.seeds for name in arms]
    with ProcessPoolExecutor(options.at_once, mp_context=get_context("spawn")) as pool:
        runs = [
            pool.submit(train_for, options.seconds, arms[name], data, seed=seed, precision=options.precision)
            for name, seed in jobs
        ]
        results = [{"arm": name, **run.result()} for (name, _), run in zip(jobs, runs, strict=True)]
    show(results, options.seconds)
    if options.json is not None:
        options.json.write_text(json.dumps({"date": time.strftime("%Y-%m-%d"), "runs": results}, indent=2) + "\n")


def changed(space: SearchSpace, start: str, text: str = "") -> TrialConfig:
    """The point `start` with the changes of `text`. Parameters that come with a change have their defaults."""
    points = {"default": space.default} | {name: point.config for name, point in space.points.items()}
    if start not in points:
        raise SpaceError(f"{space.name} has no point {start!r}; it has {', '.join(points)}")
    here = space.encode(points[start])
    changes = dict(part.split("=", 1) for part in text.split(",") if part)

    def suggest(name: str, domain: Domain) -> Scalar:
        return read(changes.pop(name), domain) if name in changes else here.get(name, label(domain.default))

    params = space.sample(suggest)
    if changes:
        raise SpaceError(
            f"the point has no parameters {', '.join(sorted(changes))}; search.spaces --json prints their names"
        )
    return space.decode(params)


def read(text: str, domain: Domain) -> Scalar:
    """The value of `domain` that a text stands for: itself, or as JSON a number, true, false or null."""
    with suppress(json.JSONDecodeError):
        if (value := json.loads(text)) in domain:
            return value
    return text


def train_for(
    seconds: float, config: TrialConfig, data: TrialData, *, seed: int, precision: Precision, threads: int = 1
) -> dict[str, Any]:
    """Train `config` for as many epochs as `seconds` allow; the whole curve, its best value and where it was."""
    started = time.perf_counter()
    pace = _curve(config, data, seed, epochs=2, precision=precision, threads=threads)[-1]["seconds"]
    epochs = max(1, int((seconds - (time.perf_counter() - started)) / pace))
    curve = _curve(config, data, seed, epochs=epochs, precision=precision, threads=threads)
    best = max(curve, key=lambda values: values["miou"])
    return {
        "seed": seed,
        "epochs": epochs,
        "seconds": round(time.perf_counter() - started, 1),
        "best_miou": best["miou"],
        "best_epoch": best["epoch"],
        "last_miou": curve[-1]["miou"],
        "curve": [round(values["miou"], 4) for values in curve],
    }


def _curve(
    config: TrialConfig, data: TrialData, seed: int, *, epochs: int, precision: Precision, threads: int
) -> list[dict[str, float]]:
    budget = BudgetConfig(max_epochs=epochs, precision=precision)
    whole = config.model_copy(update={"budget": budget, "seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        training = train(whole, data, trial_files(Path(folder)), 0, threads)
        return [{"epoch": report.epoch, "miou": report.miou, "seconds": report.seconds} for report in training]


def show(results: list[dict[str, Any]], seconds: float) -> None:
    """Print the table: one row an arm, its seeds in columns."""
    table = Table(title=f"best validation mIoU after {seconds:g} s", title_justify="left", box=None)
    for column in ("arm", "mean", *(f"seed {seed}" for seed in sorted({run["seed"] for run in results})), "epochs"):
        table.add_column(column)
    for arm in dict.fromkeys(run["arm"] for run in results):
        runs = sorted((run for run in results if run["arm"] == arm), key=lambda run: run["seed"])
        values = [run["best_miou"] for run in runs]
        epochs = ", ".join(str(run["epochs"]) for run in runs)
        table.add_row(arm, *(f"{value:.4f}" for value in (statistics.mean(values), *values)), epochs)
    Console().print(table)


if __name__ == "__main__":
    run_command(main)
