"""How far the latency of a search (`--objectives miou,latency`) is off when the same network is measured again.

    uv run python benchmarks/latency_noise.py --beside 1 --json noise.json

Networks take turns; each measurement is the one of a search (`search.training.latency`), on a network built anew. First
alone, then beside so many processes that train the default point all the time, as trials of a search run beside others.
"""

import json
import multiprocessing
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

import torch
import tyro

from benchmarks.rows import print_rows
from search.command import run_command
from search.data.prepare import prepare_data
from search.data.samples import TrialData
from search.training.compute import Compute
from search.training.latency import measure_latency
from search.training.loop import Trial
from spaces.config import BudgetConfig, TrialConfig
from spaces.networks import ModelConfig, UNetConfig
from spaces.unet_family import unet_family


@dataclass(frozen=True, kw_only=True)
class Options:
    """The spread of repeated measurements of a network's latency, alone and beside other trials."""

    data: Path | None = None
    """An npz file or a folder. Default: the demo set."""

    threads: int = 1
    """Threads of each process."""

    beside: int = 1
    """Processes that train at the same time, in the second half."""

    repeats: int = 20
    """Measurements of each network."""

    json: Path | None = None
    """Where to write the table as JSON."""


def main() -> None:
    """Measure all networks in both conditions, print the table."""
    options = tyro.cli(Options)
    data = prepare_data(options.data, seed=0).trial
    default = unet_family(data.facts).default
    rows = measured_rows("alone", default, data, options)
    with training_beside(default, data, options):
        rows += measured_rows(f"beside {options.beside}", default, data, options)
    print_rows("milliseconds of one image; `off` in per cent", rows)
    if options.json is not None:
        size = [data.facts.height, data.facts.width]
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
        result = {"date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "device": device, "size": size}
        options.json.write_text(json.dumps({**result, "threads": options.threads, "rows": rows}, indent=2) + "\n")


def networks(default: TrialConfig) -> Mapping[str, ModelConfig]:
    """The default network, and the same twice and half as wide."""
    model = default.model
    assert isinstance(model, UNetConfig)
    widths = (model.width // 2, model.width, 2 * model.width)
    return {f"{model.family} of width {width}": model.model_copy(update={"width": width}) for width in widths}


def measured_rows(where: str, default: TrialConfig, data: TrialData, options: Options) -> list[dict[str, object]]:
    """Median, least and most milliseconds of each network, and how far nine tenths of the measurements are off."""
    torch.set_num_threads(options.threads)
    compute = Compute.here(default.budget)
    found: dict[str, list[float]] = {name: [] for name in networks(default)}
    for _ in range(options.repeats):  # in turns: what else the machine does meets all networks
        for name, model in networks(default).items():
            found[name].append(measure_latency(model, data.facts, compute))
    return [{"network": name, "where": where, **spread(values)} for name, values in found.items()]


def spread(values: list[float]) -> dict[str, float]:
    """The median and the range in milliseconds; `off`, the per cent by which a tenth of the values differ or more."""
    median = statistics.median(values)
    off = statistics.quantiles((abs(value / median - 1) for value in values), n=10)[-1]
    return {
        "median": round(median, 2),
        "least": round(min(values), 2),
        "most": round(max(values), 2),
        "off": round(100 * off, 1),
    }


@contextmanager
def training_beside(default: TrialConfig, data: TrialData, options: Options) -> Iterator[None]:
    """Processes that train while the block runs."""
    context = multiprocessing.get_context("spawn")
    begun = [context.Event() for _ in range(options.beside)]
    processes = [context.Process(target=keep_training, args=(default, data, options.threads, event)) for event in begun]
    try:
        for process in processes:
            process.start()
        for event in begun:
            event.wait()
        yield
    finally:
        for process in processes:
            process.terminate()
            process.join()


def keep_training(default: TrialConfig, data: TrialData, threads: int, begun: Event) -> None:
    """Train until the process is ended; `begun` is set after the first epoch."""
    torch.set_num_threads(threads)
    budget = BudgetConfig(max_epochs=10**6)
    trial = Trial(default.model_copy(update={"budget": budget}), data, Compute.here(budget))
    while True:
        trial.train_epoch()
        begun.set()


if __name__ == "__main__":
    run_command(main)
