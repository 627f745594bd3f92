"""Whether trials of one architecture train faster as one network than side by side, each in a process (packing).

    uv run python benchmarks/horizontal_fusion.py --json FILE

Trials of the default U-Net, and of one of half its width, that differ in learning rate, decay, weights of the loss and
seed. All arms take the product's step on augmented batches that are there already, and do not validate:
packing: as many processes as a search runs at once, a trial each; on a GPU as many as are fused;
vmap, grouped: K trials as one network (`fused_networks.py`), in the mode that is fastest for it.
One fused trial by itself is the control. First it is checked that fused training is right. Arms take turns; ratios to
packing are taken round by round. On a CPU they are taken in CPU time, too: images a second that the threads computed,
which other work changes less.
"""

import json
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.fused_check import check_fusion
from benchmarks.fused_training import FORMS, fastest_mode, fused, in_mode, packed
from benchmarks.speed_arms import Arm, Prepare, machine, probed_mode
from benchmarks.trainings import today
from search.command import run_command
from search.data.prepare import prepare_data
from search.data.samples import TrialData
from search.tuning.probe import Mode
from search.tuning.resources import Resources, plan_resources
from spaces.config import Layout, Precision, TrialConfig
from spaces.space import SearchSpace
from spaces.unet_family import unet_family

WORTHWHILE = 1.5
"""How much faster than packing fusion must be before it goes into the product."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Images a second of fused trials, against packing."""

    data: Path | None = None
    """An npz file or a folder. Default: the demo set."""

    trials: tuple[int, ...] = (1, 2, 4, 8)
    """Numbers of fused trials."""

    shares_of_width: tuple[float, ...] = (1.0, 0.5)
    """Widths of the networks, in that of the default point."""

    batch_sizes: tuple[int, ...] = (32, 16)
    """Images in a batch of each trial."""

    processes: int | None = None
    """Processes that share the cores in fused arms, each with as many fused trials. Default: one a core as in packing,
    where no thread waits for another; on a GPU one."""

    images: int = 256
    """Images that an arm trains on in its turn, over all trials; a step of each at least."""

    rounds: int = 5
    """Turns of each arm, after one that warms up."""

    precision: Precision | None = None
    """Precision of packing. Default: what a search would choose on this machine."""

    layout: Layout | None = None
    """Memory layout of packing. Default: what a search would choose on this machine."""

    json: Path | None = None
    """Where to write all figures, after each network."""


def main() -> None:
    """Check, measure, print."""
    options = tyro.cli(Options)
    prepared = prepare_data(options.data, seed=0)
    data, space = prepared.trial, unet_family(prepared.facts)
    get_context("forkserver").set_forkserver_preload(["benchmarks.fused_training"])  # torch is imported once
    checked = check_fusion(space.default, data)
    print("\n".join(checked), flush=True)
    resources = plan_resources(concurrency=None, gpus_per_trial=None)
    config = in_mode(space.default, packing_mode(options, space, data, resources))
    about = {**machine(), "date": today(), "options": {name: str(value) for name, value in vars(options).items()}}
    rows: list[dict[str, Any]] = []
    for share in options.shares_of_width:
        for batch in options.batch_sizes:
            case = resized(config, share, batch)
            rows += measure(case, data, resources, options)
            show(rows[-1]["network"], [row for row in rows if row["network"] == rows[-1]["network"]])
            if options.json is not None:
                result = {"about": about, "checked": checked, "rows": rows}
                options.json.write_text(json.dumps(result, indent=1) + "\n")
    best = max(row["ratio"] for row in rows if row["arm"] != "packing" and row["trials"] > row["processes"])
    print(f"best of fusion: {best:.2f} times packing, to be kept from {WORTHWHILE}")


def packing_mode(options: Options, space: SearchSpace, data: TrialData, resources: Resources) -> Mode:
    """The mode asked for, else that which a search would choose."""
    if options.precision is not None and options.layout is not None:
        return Mode(options.precision, options.layout)
    return probed_mode(space, data, resources, options.precision, options.layout)


def resized(config: TrialConfig, share: float, batch: int) -> TrialConfig:
    """The point with a share of its width, and another batch."""
    return config.model_copy(
        update={
            "model": config.model.model_copy(update={"width": round(config.model.width * share)}),
            "optimizer": config.optimizer.model_copy(update={"batch_size": batch}),
        }
    )


def measure(config: TrialConfig, data: TrialData, resources: Resources, options: Options) -> list[dict[str, Any]]:
    """A row for each arm of one network and batch."""
    rivals = {trials: trials if resources.gpus else resources.concurrency for trials in options.trials}
    with ExitStack() as stack:
        arms = start_arms(stack, config, data, resources, options, sorted(set(rivals.values())))
        turns = [{key: turn(arm) for key, arm in arms.items()} for _ in range(options.rounds)]
    rows = []
    for (name, count), arm in arms.items():
        rival = turns_of(turns, ("packing", count if name == "packing" else rivals[count]))
        own = turns_of(turns, (name, count))
        ratios, cpu_ratios = ([a[kind] / b[kind] for a, b in zip(own, rival, strict=True)] for kind in (0, 1))
        processes = count if name == "packing" else fused_processes(options, resources)
        rows.append(
            {
                "network": f"width {config.model.width}, batch {config.optimizer.batch_size}",
                "arm": name,
                "trials": count if name == "packing" else count * processes,
                "processes": processes,
                "mode": arm.note,
                "rates": [round(rate, 1) for rate, _ in own],
                "cpu_rates": [round(rate, 1) for _, rate in own],
                "ratio": round(statistics.median(ratios), 3),
                "spread": [round(min(ratios), 3), round(max(ratios), 3)],
                "cpu_ratio": round(statistics.median(cpu_ratios), 3),
                "peak_gb": round(arm.peak_bytes / 1e9, 2),
            }
        )
    return rows


def start_arms(
    stack: ExitStack,
    config: TrialConfig,
    data: TrialData,
    resources: Resources,
    options: Options,
    packings: Sequence[int],
) -> dict[tuple[str, int], Arm]:
    """All arms, ready and waiting: packing by its processes, fused forms by the trials of each process."""
    cores = resources.concurrency * resources.threads

    def arm(prepare: Prepare, of: TrialConfig, processes: int) -> Arm:
        threads = max(1, cores // processes)
        return stack.enter_context(
            Arm(prepare, of, data, processes=processes, threads=threads, start_method="forkserver")
        )

    arms: dict[tuple[str, int], Arm] = {}
    modes = fastest_modes(config, data)
    for count in packings:
        arms["packing", count] = arm(partial(packed, images=options.images // count), config, count)
    processes = fused_processes(options, resources)
    for form, mode in modes.items():
        for trials in options.trials:
            prepare = partial(fused, form=form, trials=trials, images=options.images // processes)
            arms[form, trials] = arm(prepare, in_mode(config, mode), processes)
    return arms


def fused_processes(options: Options, resources: Resources) -> int:
    """Processes of each fused arm."""
    return options.processes or (1 if resources.gpus else resources.concurrency)


def turns_of(turns: Sequence[dict[tuple[str, int], tuple[float, float]]], key: tuple[str, int]) -> list[Any]:
    """What one arm did, round by round."""
    return [taken[key] for taken in turns]


def turn(arm: Arm) -> tuple[float, float]:
    """Images a second, and images a second of CPU time."""
    return arm.images_per_second(), arm.images_per_cpu_second


def fastest_modes(config: TrialConfig, data: TrialData) -> dict[Any, Mode]:
    """The mode of each fused form, found in a process of its own, so that memory it takes counts for no arm."""
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        jobs = {form: pool.submit(fastest_mode, config, data, form) for form in FORMS}
        return {form: job.result() for form, job in jobs.items()}


def show(network: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print the table of one network."""
    table = Table(title=network, title_justify="left", box=None)
    for column in ("arm", "trials", "processes", "mode", "images/s", "times packing", "in CPU time", "peak GB"):
        table.add_column(column)
    for row in rows:
        ratio = f"{row['ratio']:.2f} ({row['spread'][0]:.2f} to {row['spread'][1]:.2f})"
        rate = f"{statistics.median(row['rates']):.0f}"
        cells = (
            row["arm"],
            row["trials"],
            row["processes"],
            row["mode"],
            rate,
            ratio,
            f"{row['cpu_ratio']:.2f}",
            row["peak_gb"],
        )
        table.add_row(*map(str, cells))
    Console(width=120).print(table)


if __name__ == "__main__":
    run_command(main)
