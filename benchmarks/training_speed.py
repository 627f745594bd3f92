"""How fast a small U-Net trains on this CPU: precision, memory layout, threads.

    uv run python benchmarks/training_speed.py --threads 1 2 --json speed.json

Forward and backward of the U-Net of width 16 and depth 4 with cross-entropy, at the data's size, as images a second.
Arms take turns, a few batches a round; the table gives the median of the rounds, the slowest and the fastest.
"""

import json
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, product
from pathlib import Path
from typing import Literal

import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.rows import print_rows
from models.build import build_model
from search.command import run_command
from search.data.prepare import prepare_data
from search.data.samples import VOID
from search.training.batches import Batch, TrainBatches, to_target, to_tensor
from search.training.compute import Compute
from spaces.config import AugmentConfig
from spaces.facts import DataFacts
from spaces.networks import UNetConfig

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


@dataclass(kw_only=True)
class Arm:
    """One combination that is measured: its network, its batches in its layout, and the rates so far."""

    threads: int
    precision: Literal["float32", "bfloat16"]
    layout: str
    model: nn.Module
    batches: list[tuple[Tensor, Tensor]]
    rates: list[float] = field(default_factory=list)

    def run_round(self) -> float:
        """Train one round of batches; images a second."""
        torch.set_num_threads(self.threads)
        compute = Compute(device=torch.device("cpu"), precision=self.precision)
        started = time.perf_counter()
        for images, target in self.batches:
            with compute.autocast():
                logits = self.model(images)
            functional.cross_entropy(logits.float(), target, ignore_index=VOID).backward()
            self.model.zero_grad(set_to_none=True)
        return sum(len(images) for images, _ in self.batches) / (time.perf_counter() - started)


def main() -> None:
    """Measure all combinations, print the table."""
    options = tyro.cli(Options)
    data = prepare_data(options.data, seed=0).trial
    plain = AugmentConfig(geometric="none")
    epoch = TrainBatches(data, plain, batch_size=options.batch_size, seed=0).epoch(0)
    arms = list(make_arms(data.facts, list(islice(epoch, BATCHES_A_ROUND)), options.threads))
    for arm in arms:
        arm.run_round()
    for _, arm in product(range(options.rounds), arms):  # round by round: what else the machine does meets all arms
        arm.rates.append(arm.run_round())
    rows = [
        {"threads": arm.threads, "precision": arm.precision, "layout": arm.layout, **summary(arm.rates)} for arm in arms
    ]
    print_rows("images a second, forward and backward", rows)
    if options.json is not None:
        size = list(arms[0].batches[0][0].shape)
        result = {"date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "batch": size, "rows": rows}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def make_arms(facts: DataFacts, batches: list[Batch], threads: tuple[int, ...]) -> Iterator[Arm]:
    """Every combination, each with equal weights."""
    config = UNetConfig(in_channels=facts.channels, classes=facts.classes, depth=4, width=16)
    precisions: tuple[Literal["float32", "bfloat16"], ...] = ("float32", "bfloat16")
    for count, precision, layout in product(sorted(set(threads)), precisions, LAYOUTS):
        torch.manual_seed(0)
        model = build_model(config).to(memory_format=LAYOUTS[layout])
        laid_out = [(in_layout(to_tensor(batch.images), layout), to_target(batch.masks)) for batch in batches]
        yield Arm(threads=count, precision=precision, layout=layout, model=model, batches=laid_out)


def in_layout(images: Tensor, layout: str) -> Tensor:
    """A copy with the strides of a layout. (Images of one channel are contiguous in both; `contiguous` keeps them.)"""
    return torch.empty(images.shape, memory_format=LAYOUTS[layout]).copy_(images)


def summary(rates: list[float]) -> dict[str, float]:
    """Median, slowest and fastest, rounded."""
    values = {"median": statistics.median(rates), "slowest": min(rates), "fastest": max(rates)}
    return {name: round(value, 1) for name, value in values.items()}


if __name__ == "__main__":
    run_command(main)
