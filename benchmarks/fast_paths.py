"""What the fast paths of training cost in quality: whole trials of the default point, in each mode, on the same seeds.

    uv run python benchmarks/fast_paths.py --data PATH --json FILE --to docs/fast_paths.md

The reference is float32, contiguous, eager, its images augmented by albumentations. The default point only mirrors
images, so batches made on the device are also compared under all geometric and photometric augmentation. The same
command goes on where it was cut off.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro
from scipy.stats import t as student

from benchmarks.speed_arms import machine
from benchmarks.trainings import Job, Result, by_arm, measured_words, publish, run_all, spread
from search.command import run_command
from search.data.prepare import prepare_data
from search.data.samples import TrialData
from search.training.compute import Compute
from search.training.loop import Trial
from search.training.outcome import AugmentedOn, EpochReport, NotFiniteError, best_report
from search.training.sources import build_source
from search.training.step import GradientStep
from spaces.config import AugmentConfig, BudgetConfig, Layout, Precision, TrialConfig
from spaces.facts import DataFacts
from spaces.presets import build_space


@dataclass(frozen=True, kw_only=True)
class Mode:
    """One way to train the same configuration; `augment` None is the default point's own augmentation."""

    name: str
    reference: str
    precision: Precision = "float32"
    layout: Layout = "contiguous"
    augmented_on: AugmentedOn = "cpu"
    augment: AugmentConfig | None = None


REFERENCE = "reference"
VARIED = "reference, all augmentation"
ALL_AUGMENTATION = AugmentConfig(geometric="complex", photometric=True)
MODES = (
    Mode(name=REFERENCE, reference=REFERENCE),
    Mode(name="bfloat16, channels_last", reference=REFERENCE, precision="bfloat16", layout="channels_last"),
    Mode(name="batches made on the device", reference=REFERENCE, augmented_on="device"),
    Mode(
        name="all three",
        reference=REFERENCE,
        precision="bfloat16",
        layout="channels_last",
        augmented_on="device",
    ),
    Mode(name=VARIED, reference=VARIED, augment=ALL_AUGMENTATION),
    Mode(
        name="batches made on the device, all augmentation",
        reference=VARIED,
        augmented_on="device",
        augment=ALL_AUGMENTATION,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train the default point in each mode."""

    data: Path | None = None
    """An npz file or a folder. Default: the demo set."""

    epochs: int = 8
    """Epochs of every training."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the trainings; the split is always that of seed 0."""

    at_once: int = 2
    """Trainings at once, one thread each."""

    json: Path = Path("fast_paths.json")
    """Where every training is kept."""

    to: Path | None = None
    """Where to write the table as Markdown."""


def main() -> None:
    """Train, compare, write."""
    options = tyro.cli(Options)
    prepared = prepare_data(options.data, seed=0)
    default = build_space("unet_family", prepared.facts).default
    jobs = [
        Job(arm=mode.name, config=in_mode(default, mode, options.epochs, seed), run=partial(train_in_mode, mode))
        for seed in options.seeds
        for mode in MODES
    ]
    results = run_all(jobs, prepared, kept=options.json, at_once=options.at_once)
    publish(document(prepared.facts, results), options.to)


def in_mode(default: TrialConfig, mode: Mode, epochs: int, seed: int) -> TrialConfig:
    """The default point with the budget, the augmentation and the seed of one training."""
    budget = BudgetConfig(max_epochs=epochs, precision=mode.precision, layout=mode.layout)
    augment = default.augment if mode.augment is None else mode.augment
    return default.model_copy(update={"budget": budget, "augment": augment, "seed": seed})


def train_in_mode(mode: Mode, config: TrialConfig, data: TrialData) -> Result:
    """Train `config` to its end on one thread, step by step as written, its batches made where `mode` says."""
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    trial = Trial(config, data, Compute.here(config.budget))
    trial.augmented_on = mode.augmented_on
    trial.batches = build_source(config, data, trial.compute.device, mode.augmented_on)
    trial.step = GradientStep(trial.model, trial.loss, trial.compute, data.facts.classes)
    try:
        for _ in range(config.budget.max_epochs):
            trial.train_epoch()
    except NotFiniteError as error:
        return {"diverged": str(error), "curve": curve_of(trial.reports), "machine": machine()}
    best, last = best_report(trial.reports), trial.reports[-1]
    return {
        "miou": best.miou,
        "epoch": best.epoch,
        "epochs": len(trial.reports),
        "last_miou": last.miou,
        "last_train_loss": last.train_loss,
        "augmented_on": last.augmented_on,
        "seconds": round(sum(report.seconds for report in trial.reports), 1),
        "curve": curve_of(trial.reports),
        "machine": machine(),
    }


def curve_of(reports: Sequence[EpochReport]) -> list[float]:
    """Validation mIoU after each epoch."""
    return [round(report.miou, 4) for report in reports]


def document(facts: DataFacts, results: list[Result]) -> str:
    """The page: how it was measured, and the table."""
    modes = {mode.name: mode for mode in MODES}
    rows = "\n".join(row(modes[arm], runs, results) for arm, runs in by_arm(results))
    return f"""# What the fast paths cost in quality

Written by `benchmarks/fast_paths.py`. {measured_words(results)}
Processor: {"; ".join(sorted({processor(run["machine"]) for run in results}))}.

One split by groups: {facts.train_images} training and {facts.validation_images} validation images.
The *reference* trains the default point in float32, contiguous, step by step, its images augmented by albumentations.
Each other row changes what it names and nothing else, on the same seeds; *all three* is bfloat16, channels_last and
batches made on the device, as on a GPU. The default point only mirrors images, so batches made on the device are
compared under all geometric and photometric augmentation too, with a reference of their own. On a CPU, "on the device"
runs the GPU's augmentation on the CPU. CUDA graphs are not in this table: `tests/training/test_fast_paths.py` compares
recorded steps with others, loss by loss.

Best validation mIoU of a training and the training loss of the last epoch, mean ± standard deviation over the seeds;
differences to the reference are taken seed by seed, mean ± standard error.
{certainty(results)}

| mode | mIoU | difference of mIoU | last training loss | difference of loss |
|---|---|---|---|---|
{rows}
"""


def certainty(results: list[Result]) -> str:
    """From which size on a difference shows anything, as a sentence."""
    seeds = len({run["seed"] for run in results})
    if seeds == 1:
        return "One seed shows no difference at all."
    times = f"{student.ppf(0.975, seeds - 1):.1f}"
    return (
        f"With {seeds} seeds a difference of less than {times} times its standard error shows nothing (95%, Student)."
    )


def row(mode: Mode, runs: list[Result], results: list[Result]) -> str:
    """One mode."""
    references = [run for run in results if run["arm"] == mode.reference]
    cells = [mode.name]
    for name in ("miou", "last_train_loss"):
        cells.append(spread([run[name] for run in runs if name in run], ".4f"))
        cells.append("" if mode.name == mode.reference else with_error(paired(name, runs, references)))
    return "| " + " | ".join(cells) + " |"


def paired(name: str, runs: list[Result], references: list[Result]) -> list[float]:
    """The differences to the reference of the same seed, where neither diverged."""
    known = {run["seed"]: run[name] for run in references if name in run}
    return [run[name] - known[run["seed"]] for run in runs if name in run and run["seed"] in known]


def with_error(differences: Sequence[float]) -> str:
    """Mean ± standard error, the mean alone of a single difference, "diverged" where there is none."""
    if not differences:
        return "diverged"
    mean = f"{statistics.mean(differences):+.4f}"
    if len(differences) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(differences) / math.sqrt(len(differences)):.4f}"


def processor(about: dict[str, Any]) -> str:
    """A machine in a few words."""
    return f"{about['device']}, {'with' if about['amx'] else 'without'} AMX"


if __name__ == "__main__":
    run_command(main)
