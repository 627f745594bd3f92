"""What each training method adds to one plain training: on, against off, on the same network, split and seeds.

    uv run python benchmarks/training_methods.py --data PATH --json FILE --to docs/training_methods.md

Off is the network of the recipe, with the recipe's loss, rate and mild augmentation, and none of the methods. Each
other arm turns on one. The same command goes on where it was cut off.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
    train_in,
    train_once,
)
from search.command import run_command
from search.data.initial_weights import read_weights
from search.data.prepare import PreparedData, prepare_data
from search.data.samples import TrialData
from search.selection.finetuning import finetuned
from search.tuning.trial_folder import trial_files
from spaces.config import BudgetConfig, PseudoLabels, TrialConfig
from spaces.losses import BackgroundPenalty, ClassWeights, IgnoreBackground, MedianFrequencyWeights
from spaces.recipe import unet_recipe
from spaces.unet_family import default_patch

OFF = "off"
FINE_TUNED = "fine-tuning for a third of the epochs"
LONGER = "off, for as many epochs as with fine-tuning"
"""Fine-tuning trains longer than the other arms: this is what it must beat."""


@dataclass(frozen=True, kw_only=True)
class Options(SharedOptions):
    """Train with and without each method."""

    epochs: int = 12
    """Epochs of every training; fine-tuning adds a third."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the trainings; the split is always that of seed 0."""

    arms: tuple[str, ...] = ()
    """Rows to measure beside `off`, by the beginnings of their names. Default: all."""

    json: Path = Path("training_methods.json")
    """Where every training is kept."""


def main() -> None:
    """Train, compare, write."""
    options = tyro.cli(Options)
    prepared = prepare_data(options.data, seed=0)
    jobs = [job for seed in options.seeds for job in jobs_of(seed, prepared, options)]
    jobs = [job for job in jobs if job.arm == OFF or not options.arms or job.arm.startswith(options.arms)]
    results = run_all(jobs, prepared, kept=options.json, at_once=options.at_once)
    text = document(prepared, results)
    publish(text, options.to)


def jobs_of(seed: int, prepared: PreparedData, options: Options) -> list[Job]:
    """All arms with one seed."""
    plain = off(prepared).model_copy(update={"seed": seed})
    arms = {name: with_parts(plain, parts) for name, parts in methods(prepared).items()}
    jobs = [
        Job(arm=name, config=within(config, options, options.epochs), run=train_once)
        for name, config in {OFF: plain, **arms}.items()
    ]
    once = within(plain, options, options.epochs)
    longer = within(plain, options, options.epochs + finetuned(once, "none").budget.max_epochs)
    return [*jobs, Job(arm=LONGER, config=longer, run=train_once), Job(arm=FINE_TUNED, config=once, run=train_twice)]


def train_twice(config: TrialConfig, data: TrialData) -> Result:
    """Train `config`, then fine-tune its best weights: the result of the second training alone."""
    with tempfile.TemporaryDirectory() as folder:
        first = train_in(config, data, Path(folder))
        if "diverged" in first:
            return first
        start = read_weights(trial_files(Path(folder)).weights, "fine-tuning")
    second = train_once(finetuned(config, start.pretrained), replace(data, initial_weights=start.weights))
    return second | {"epochs": first["epochs"] + second.get("epochs", 0), "curve": first["curve"] + second["curve"]}


def off(prepared: PreparedData) -> TrialConfig:
    """The recipe without any of the methods."""
    facts = prepared.facts
    config = unet_recipe(facts, patch=default_patch(facts)).config
    return with_parts(
        config,
        {"optimizer": {"ema_decay": None}, "augment": {"oversample": 1}, "loss": {"background": None}},
    )


def methods(prepared: PreparedData) -> dict[str, dict[str, dict[str, Any]]]:
    """Name -> part of the configuration -> what the method sets there."""
    found: dict[str, dict[str, dict[str, Any]]] = {
        "averaged weights (EMA)": {"optimizer": {"ema_decay": 0.99}},
        "class weights, f^-1/2": {"loss": {"class_weights": ClassWeights(exponent=0.5)}},
        "class weights, median frequency": {"loss": {"class_weights": MedianFrequencyWeights()}},
        "original plus augmented": {"augment": {"original_plus_augmented": True}},
    }
    if prepared.facts.rare_class is not None:
        found["oversampling, 4 times"] = {"augment": {"oversample": 4}}
        found["copy-paste, 0.3"] = {"augment": {"copy_paste": 0.3}}
    if prepared.facts.unlabelled_images:
        found["pseudo-labels"] = {"augment": {"pseudo_labels": PseudoLabels()}}
    if prepared.facts.background is not None:
        found["background penalty"] = {"loss": {"background": BackgroundPenalty(miss=0.5, false_alarm=0.5)}}
        found["background ignored"] = {"loss": {"background": IgnoreBackground()}}
    return found


def with_parts(config: TrialConfig, parts: dict[str, dict[str, Any]]) -> TrialConfig:
    """The configuration with some fields of its parts replaced."""
    changed = {name: getattr(config, name).model_copy(update=values) for name, values in parts.items()}
    return config.model_copy(update=changed)


def within(config: TrialConfig, options: Options, epochs: int) -> TrialConfig:
    """The configuration with a budget."""
    return config.model_copy(update={"budget": BudgetConfig(max_epochs=epochs, precision=options.precision)})


def document(prepared: PreparedData, results: list[Result]) -> str:
    """The page: how it was measured, and the table."""
    facts = prepared.facts
    rows = "\n".join(row(arm, runs, results, facts.rare_class) for arm, runs in by_arm(results))
    return f"""# What the training methods add

Written by `benchmarks/training_methods.py`. {measured_words(results)}

One split by groups: {facts.train_images} training and {facts.validation_images} validation images. *Off* is the
recipe's network, loss, rate and mild augmentation with none of the methods; each other row turns on one. Best
validation mIoU of a training, mean ± standard deviation over the seeds; differences are taken seed by seed. A
difference smaller than its deviation shows nothing. Fine-tuning trains for a third of the epochs more, so what it must
beat is the row above it; its own best epoch counts, also where it is worse than what it started from.

| method | mIoU | difference to off | IoU of the rare class |
|---|---|---|---|
{rows}
"""


def row(arm: str, runs: list[Result], results: list[Result], rare: int | None) -> str:
    """One method."""
    plain = {run["seed"]: run["miou"] for run in results if run["arm"] == OFF and "miou" in run}
    trained = [run for run in runs if "miou" in run]
    differences = [run["miou"] - plain[run["seed"]] for run in trained if run["seed"] in plain]
    cells = [
        arm,
        spread([run["miou"] for run in trained], ".4f"),
        "" if arm == OFF else spread(differences, "+.4f"),
        "" if rare is None else spread([run["class_iou"][rare] or 0.0 for run in trained]),
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    run_command(main)
