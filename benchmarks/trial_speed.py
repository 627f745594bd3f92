"""How fast a trial trains: against the loop that a good user writes, and against what the hardware allows.

    uv run python benchmarks/trial_speed.py --data PATH --json FILE --to docs/performance.md

For five points of the space `all_families`, in images a second of training with validation counted:
(a) the ordinary loop (DataLoader, albumentations, float32, eager), its workers and its batch tuned, on all cores;
(b) ours, as a search runs it: so many trials at once as it would, in the precision that it would choose;
(c) the limit: our step on one batch that is there already.
Arms take turns; ratios are taken round by round, and the table has their medians. Exits with 1 where a target of the
device is missed, unless `--report-only`.
"""

import json
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from benchmarks.document import check_section, write_section
from benchmarks.speed_arms import Arm, limit, machine, ordinary, ours, part_of, probed_mode
from benchmarks.start_up import StartUp, measure_start_up
from benchmarks.trainings import today
from search.command import run_command
from search.data.prepare import prepare_data
from search.data.samples import TrialData
from search.tuning.resources import Resources, plan_resources
from spaces.all_families import all_families
from spaces.config import BudgetConfig, Layout, Precision, TrialConfig

NETWORKS = ("default", "recipe", "unet_plus_plus", "encoder", "deeplab")
"""Points of `all_families`, from a small U-Net to DeepLabV3+."""

TARGETS = {"CPU with AMX": {"b/a": 2.5, "b/c": 0.85}, "GPU": {"b/a": 5.0, "b/c": 0.9}}
"""The least that each network shall reach, by kind of device; other CPUs have no target."""

START_UP_SECONDS, BETWEEN_SECONDS = 15.0, 0.3
"""The longest from the command to the first step, and from a trial's end to the next one's first step."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Measure how fast trials train."""

    data: Path | None = None
    """An npz file or a folder. Default: the demo set."""

    networks: tuple[str, ...] = NETWORKS
    """Points of the space all_families."""

    images: int = 512
    """Training images of an epoch that is measured, at most; validation has its share of them."""

    rounds: int = 5
    """Epochs of each arm, in turn with the others, after one that warms up."""

    precision: Precision | None = None
    """Precision of our arms. Default: what a search would choose on this machine."""

    layout: Layout | None = None
    """Memory layout of our arms. Default: what a search would choose on this machine."""

    start_up: bool = True
    """Also measure how long a search takes to its first step, and a worker from trial to trial."""

    report_only: bool = False
    """Never exit with 1."""

    json: Path | None = None
    """Where to write all figures."""

    to: Path | None = None
    """The page whose section `trial speed` is written anew."""


def main() -> None:
    """Measure, print, write, judge."""
    options = tyro.cli(Options)
    check_section(options.to, "trial speed")
    prepared = prepare_data(options.data, seed=0)
    space = all_families(prepared.facts)
    resources = plan_resources(concurrency=None, gpus_per_trial=None)
    mode = probed_mode(space, prepared.trial, resources, options.precision, options.layout)
    budget = BudgetConfig(max_epochs=1000, precision=mode.precision, layout=mode.layout)  # more than are measured
    data = part_of(prepared.trial, options.images)
    rows = []
    for name in options.networks:
        config = (space.default if name == "default" else space.points[name].config).model_copy(
            update={"budget": budget}
        )
        rows.append({"network": name, **measure(config, data, resources, options.rounds)})
        print(words(rows[-1]), flush=True)
    start_up = measure_start_up(options.data) if options.start_up else None
    about = {
        **machine(),
        "date": today(),
        "precision": budget.precision,
        "layout": budget.layout,
        "trials at once": resources.concurrency,
    }
    result = {"about": about, "images": len(data.train), "rows": rows, "start_up": start_up and vars(start_up)}
    text = section(result)
    print(text)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.to is not None:
        write_section(options.to, "trial speed", text)
    missed = missed_targets(rows, start_up, about)
    for line in missed:
        print(f"missed: {line}")
    sys.exit(1 if missed and not options.report_only else 0)


def measure(config: TrialConfig, data: TrialData, resources: Resources, rounds: int) -> dict[str, Any]:
    """Images a second of all arms, their ratios, and peak memory."""
    cores, at_once = resources.cores, resources.concurrency
    with ExitStack() as stack:
        arms = {
            "a": stack.enter_context(Arm(ordinary, config, data, processes=1, threads=cores)),
            "b": stack.enter_context(Arm(ours, config, data, processes=at_once, threads=resources.threads)),
            "c": stack.enter_context(Arm(limit, config, data, processes=at_once, threads=resources.threads)),
        }
        rates = [{name: arm.images_per_second() for name, arm in arms.items()} for _ in range(rounds)]
    ratios = {
        "b/a": [rate["b"] / rate["a"] for rate in rates],
        "b/c": [rate["b"] / rate["c"] for rate in rates],
    }
    return {
        "rates": {name: [round(rate[name], 1) for rate in rates] for name in arms},
        "ratios": {name: round(statistics.median(values), 3) for name, values in ratios.items()},
        "spread": {name: [round(min(values), 3), round(max(values), 3)] for name, values in ratios.items()},
        "peak_gb": {name: round(arm.peak_bytes / 1e9, 2) for name, arm in arms.items()},
        "notes": {name: arm.note for name, arm in arms.items()},
    }


def words(row: dict[str, Any]) -> str:
    """One network, as a line of the terminal."""
    rates = ", ".join(f"({arm}) {statistics.median(values):.0f}" for arm, values in row["rates"].items())
    return f"{row['network']}: images/s {rates}; b/a {row['ratios']['b/a']:.2f}, b/c {row['ratios']['b/c']:.2f}"


def section(result: dict[str, Any]) -> str:
    """The table as Markdown."""
    about = result["about"]
    lines = [
        f"Measured {about['date']} with `benchmarks/trial_speed.py` on {about['device']}, {about['cores']} cores, "
        f"{'with' if about['amx'] else 'without'} AMX, torch {about['torch']}; ours in {about['precision']}, "
        f"{about['layout']}, {about['trials at once']} trials at once.",
        "",
        "| network | (a) ordinary loop | (b) ours | (c) limit | b/a | b/c | memory a, b, c (GB) | tuned (a) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        medians = [f"{statistics.median(row['rates'][arm]):.0f}" for arm in "abc"]
        ratios = [
            f"{row['ratios'][name]:.2f} ({row['spread'][name][0]:.2f} to {row['spread'][name][1]:.2f})"
            for name in ("b/a", "b/c")
        ]
        memory = ", ".join(f"{row['peak_gb'][arm]:.1f}" for arm in "abc")
        lines.append("| " + " | ".join([row["network"], *medians, *ratios, memory, row["notes"]["a"]]) + " |")
    if result["start_up"]:
        start_up = result["start_up"]
        lines += [
            "",
            f"From the command to the first training step of a search {start_up['to_first_step']:.1f} s, when another "
            f"one has run before; from the end of a trial to the next one's first step "
            f"{start_up['between_trials']:.2f} s (median).",
        ]
    return "\n".join(lines) + "\n"


def missed_targets(rows: list[dict[str, Any]], start_up: StartUp | None, about: dict[str, Any]) -> list[str]:
    """Each target of this kind of device that was missed."""
    kind = "GPU" if about["gpu"] else "CPU with AMX" if about["amx"] else "other"
    missed = [
        f"{row['network']}: {name} {row['ratios'][name]:.2f} under {least}"
        for row in rows
        for name, least in TARGETS.get(kind, {}).items()
        if row["ratios"][name] < least
    ]
    if start_up is not None and start_up.to_first_step > START_UP_SECONDS:
        missed.append(f"{start_up.to_first_step:.1f} s to the first step, over {START_UP_SECONDS}")
    if start_up is not None and start_up.between_trials > BETWEEN_SECONDS:
        missed.append(f"{start_up.between_trials:.2f} s between trials, over {BETWEEN_SECONDS}")
    return missed


if __name__ == "__main__":
    run_command(main)
