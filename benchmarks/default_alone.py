"""What the default point of a space reaches alone, with the whole machine, in the time that a search takes.

    uv run python benchmarks/default_alone.py --data PATH --time-budget 20m --seeds 0 1 --study results/NAME

Same data, split and validation part as the study's. The number of epochs, and with it the schedule, is what the time
allows, measured on the first epochs of a run that is thrown away. Prints the result as JSON, and writes it with --json.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.equal_time import train_for
from search.command import run_command
from search.data.prepare import prepare_data
from search.errors import StudyError
from search.tuning.folder import find_study
from search.tuning.options import parse_duration
from search.tuning.reading import read_study
from search.tuning.record import best_of
from spaces.presets import build_space


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train the default point alone for as long as a search ran, and compare."""

    study: str
    """The study to compare with: a folder, or a name under results/."""

    data: Path | None = None
    """The data of that study. Default: the demo set."""

    time_budget: str = "20m"
    """Time for each seed."""

    seeds: tuple[int, ...] = (0, 1)
    """Seeds of the trainings; the split is always the study's."""

    json: Path | None = None
    """Where to write the table as JSON."""


def main() -> None:
    """Train, compare, print."""
    options = tyro.cli(Options)
    folder = find_study(options.study)
    study = read_study(folder)
    spec, best = study.spec, best_of(study.records)
    if best is None:
        raise StudyError(f"no trial of {folder} has finished an epoch yet: there is nothing to compare with")
    size = (spec.facts.height, spec.facts.width)
    prepared = prepare_data(options.data, seed=spec.seed, input_size=size, stratify=spec.stratify)
    seconds = parse_duration(options.time_budget)
    default, threads = build_space(spec.space, prepared.facts).default, os.cpu_count() or 1
    precision = spec.budget.precision
    runs = [
        train_for(seconds, default, prepared.trial, seed=seed, precision=precision, threads=threads)
        for seed in options.seeds
    ]
    table = {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "study": folder.name,
        "search_best": best.best_value,
        "search_trial": best.number,
        "alone": runs,
    }
    print(json.dumps(table, indent=2))
    if options.json is not None:
        options.json.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    run_command(main)
