"""Every system of the two reports, trained under one budget on one split, beside its published score.

    uv run python benchmarks/seed_systems.py --data PATH --epochs 27 --seeds 0 1 2 --json FILE --to docs/seed_systems.md

The same command goes on where it was cut off. Each system has its own network, loss, optimizer, augmentation and
patience; the epochs, the precision and the split are the same for all.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.trainings import (
    Job,
    Result,
    SharedOptions,
    by_arm,
    measured_words,
    publish,
    run_all,
    spread,
    train_once,
)
from search.command import run_command
from search.data.prepare import PreparedData, prepare_data
from spaces.config import BudgetConfig, TrialConfig
from spaces.seed_systems import seed_systems
from spaces.space import NamedPoint, SearchSpace

KAGGLE = "keras_masked"
"""The reading of the metric that the platform most likely shows: a foreground pixel called background counts."""


@dataclass(frozen=True, kw_only=True)
class Options(SharedOptions):
    """Train all seed systems and compare them with what was published."""

    epochs: int = 4
    """Epochs of every training."""

    seeds: tuple[int, ...] = (0,)
    """Seeds of the trainings; the split is always that of seed 0."""

    json: Path = Path("seed_systems.json")
    """Where every training is kept."""


def main() -> None:
    """Train, compare, write."""
    options = tyro.cli(Options)
    prepared = prepare_data(options.data, seed=0)
    space = seed_systems(prepared.facts)
    jobs = [
        Job(arm=name, config=under(point.config, options, seed), run=train_once)
        for seed in options.seeds
        for name, point in space.points.items()
    ]
    results = run_all(jobs, prepared, kept=options.json, at_once=options.at_once)
    text = document(prepared, space, results)
    publish(text, options.to)


def under(config: TrialConfig, options: Options, seed: int) -> TrialConfig:
    """The system under the common budget; its own patience stays."""
    budget = BudgetConfig(max_epochs=options.epochs, patience=config.budget.patience, precision=options.precision)
    return config.model_copy(update={"budget": budget, "seed": seed})


def document(prepared: PreparedData, space: SearchSpace, results: list[Result]) -> str:
    """The page: how it was measured, and the table."""
    facts = prepared.facts
    rows = "\n".join(row(space.points[arm], arm, runs) for arm, runs in by_arm(results))
    return f"""# The systems of the two reports

Written by `benchmarks/seed_systems.py`. {measured_words(results)}

One split by groups: {facts.train_images} training and {facts.validation_images} validation images of {facts.classes}
classes. The reports trained longer, on splits of their own, with widths and rates that they do not tell (`python -m
search.spaces seed_systems` has what is assumed): a column compares systems among themselves, not with another column.
Few epochs rank how soon systems start, not how far they come. *Epoch* is that of the best validation.

*mIoU* is the mean over the classes but the background, pixels of true background left out: what a search maximizes.
*as published* counts as the platform most likely did (`{KAGGLE}`): where a system calls foreground background, the
background is a class with an IoU of 0.

| system | report | published platform | published validation | ours, as published | ours, mIoU | epoch |
|---|---|---|---|---|---|---|
{rows}
"""


def row(point: NamedPoint, name: str, runs: list[Result]) -> str:
    """One system."""
    source = point.source
    published = (source.platform, source.validation) if source is not None else (None, None)
    trained = [run for run in runs if "miou" in run]
    cells = [
        f"`{name}`",
        f"{source.report}, {source.row}" if source is not None else "ours",
        *("" if value is None else f"{value:.3f}" for value in published),
        spread([run["readings"].get(KAGGLE, run["miou"]) for run in trained]),
        spread([run["miou"] for run in trained]),
        ", ".join(str(run["epoch"]) for run in trained),
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    run_command(main)
