"""How fast a small U-Net trains on this CPU: precision, memory layout, threads.

    uv run python benchmarks/training_speed.py --threads 1 2 --json speed.json

Forward and backward of the U-Net of width 16 and depth 4 with cross-entropy, at the data's size, as images a second.
Measured are rounds of a few batches; the table gives their median, and the slowest and fastest.
"""

import json
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional

from models.build import build_model
from search.command import run_command
from search.data.prepare import prepare_data
from search.data.samples import VOID
from search.training.batches import Batch, TrainBatches, to_target, to_tensor
from search.training.precision import Compute
from spaces.config import AugmentConfig, UNetConfig

BATCHES_A_ROUND = 3
LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Images a second of forward and backward, for each precision, layout and number of threads."""

    data: Path | None = None
    """An npz file or a folder. Default: the demo set."""

    threads: tuple[int, ...] = (1, os.cpu_count() or 1)
    """Numbers of threads to measure with."""

    batch_size: int = 32
    """Images a batch."""

    rounds: int = 5
    """Rounds that are measured, after one that warms up."""

    json: Path | None = None
    """Where to write the table as JSON."""


def main() -> None:
    """Measure all combinations, print the table."""
    options = tyro.cli(Options)
    data = prepare_data(options.data, seed=0).trial
    plain = AugmentConfig(geometric="none")
    epoch = TrainBatches(data, plain, batch_size=options.batch_size, seed=0).epoch(0)
    batches = list(islice(epoch, BATCHES_A_ROUND))
    config = UNetConfig(in_channels=data.facts.channels, classes=data.facts.classes, depth=4, width=16)
    rows = []
    for threads, precision, layout in product(sorted(set(options.threads)), ("float32", "bfloat16"), LAYOUTS):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        model = build_model(config).to(memory_format=LAYOUTS[layout])
        compute = Compute(device=torch.device("cpu"), precision=precision)
        rates = list(images_a_second(model, batches, compute, LAYOUTS[layout], options.rounds))
        rows.append({"threads": threads, "precision": precision, "layout": layout, **summary(rates)})
    show(rows)
    if options.json is not None:
        size = list(batches[0].images.shape)
        result = {"date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "batch": size, "rows": rows}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def images_a_second(
    model: nn.Module, batches: list[Batch], compute: Compute, layout: torch.memory_format, rounds: int
) -> Iterator[float]:
    """The rate of each round but the first."""
    for measured in range(rounds + 1):
        started = time.perf_counter()
        for batch in batches:
            images = to_tensor(batch.images).contiguous(memory_format=layout)
            with compute.autocast():
                logits = model(images)
            functional.cross_entropy(logits.float(), to_target(batch.masks), ignore_index=VOID).backward()
            model.zero_grad(set_to_none=True)
        if measured:
            yield sum(len(batch.images) for batch in batches) / (time.perf_counter() - started)


def summary(rates: list[float]) -> dict[str, float]:
    """Median, slowest and fastest, rounded."""
    values = {"median": statistics.median(rates), "slowest": min(rates), "fastest": max(rates)}
    return {name: round(value, 1) for name, value in values.items()}


def show(rows: list[dict[str, int | str | float]]) -> None:
    """Print the table."""
    table = Table(title="images a second, forward and backward", title_justify="left", box=None)
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


if __name__ == "__main__":
    run_command(main)
