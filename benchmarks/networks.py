"""Parameters, multiply-adds and speed of every network that the spaces name: writes docs/networks.md.

    uv run python benchmarks/networks.py --to docs/networks.md --json networks.json

Sizes are those of the course's Mars tiles. Speed is images a second on one thread, batches of 8: networks take turns,
and the median of the rounds counts.
"""

import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor, nn

from models.build import build_model
from models.cost import measure_cost
from search.command import run_command
from search.training.compute import Compute
from search.tuning.probe import PRECISIONS
from spaces.all_families import all_families
from spaces.config import Precision
from spaces.mars_tiles import MARS_TILES
from spaces.networks import ModelConfig

BATCH = 8


@dataclass(frozen=True, kw_only=True)
class Options:
    """Measure every distinct network among the default of each family and the systems of the reports."""

    rounds: int = 3
    """Rounds that are measured, after one that warms up."""

    precision: Precision = PRECISIONS[0]
    """Precision of forward passes."""

    to: Path | None = None
    """Where to write the table as Markdown."""

    json: Path | None = None
    """Where to write the table as JSON."""


def main() -> None:
    """Measure, print, write."""
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    networks = named_networks()
    seconds = measure(networks, options)
    rows = [row(name, config, seconds[name]) for name, config in networks.items()]
    text = "\n".join(table(rows))
    print(text)
    if options.to is not None:
        options.to.write_text(document(text, options))
    if options.json is not None:
        result = {"date": time.strftime("%Y-%m-%d"), "precision": options.precision, "rows": rows}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def named_networks() -> dict[str, ModelConfig]:
    """Name -> network; a network that several points share stands under the first one's name."""
    space = all_families(MARS_TILES)
    configs = {"unet": space.default.model} | {name: point.config.model for name, point in space.points.items()}
    return {name: config for name, config in configs.items() if config not in _before(configs, name)}


def _before(configs: dict[str, ModelConfig], name: str) -> list[ModelConfig]:
    names = list(configs)
    return [configs[other] for other in names[: names.index(name)]]


def measure(networks: dict[str, ModelConfig], options: Options) -> dict[str, dict[str, float]]:
    """Images a second of each network, forward alone and with backward."""
    compute = Compute(device=torch.device("cpu"), precision=options.precision)
    images = torch.rand(BATCH, MARS_TILES.channels, MARS_TILES.height, MARS_TILES.width)
    rates: dict[str, dict[str, list[float]]] = {name: {"forward": [], "training": []} for name in networks}
    for turn in range(options.rounds + 1):
        for name, config in networks.items():
            model = build_model(config).to(memory_format=torch.channels_last)
            times = {"forward": forward(model, images, compute), "training": train(model, images, compute)}
            for what, taken in times.items():
                if turn > 0:
                    rates[name][what].append(BATCH / taken)
    return {name: {what: statistics.median(values) for what, values in both.items()} for name, both in rates.items()}


@torch.no_grad()
def forward(model: nn.Module, images: Tensor, compute: Compute) -> float:
    """Seconds of a forward pass in evaluation mode, the second of two."""
    model.eval()
    return _second(lambda: _outputs(model, images, compute))


def train(model: nn.Module, images: Tensor, compute: Compute) -> float:
    """Seconds of a forward and backward pass, the second of two."""
    model.train()

    def step() -> None:
        sum(logits.float().square().mean() for logits in _outputs(model, images, compute)).backward()

    return _second(step)


def _outputs(model: nn.Module, images: Tensor, compute: Compute) -> tuple[Tensor, ...]:
    with compute.autocast():
        outputs = model(images)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _second(run: Any) -> float:
    run()
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def row(name: str, config: ModelConfig, rates: dict[str, float]) -> dict[str, Any]:
    """One row of the table."""
    cost = measure_cost(config, MARS_TILES.height, MARS_TILES.width)
    return {
        "point": name,
        "network": config.words,
        "patch": config.patch,
        "parameters": cost.parameters,
        "multiply-adds": cost.macs,
        **{what: round(rate, 1) for what, rate in rates.items()},
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows as Markdown."""
    lines = [
        "| point | network | patch | parameters | multiply-adds, M | forward, images/s | training, images/s |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in rows:
        cells = [
            f"`{entry['point']}`",
            entry["network"],
            str(entry["patch"]),
            f"{entry['parameters']:,}",
            f"{entry['multiply-adds'] / 1e6:.0f}",
            f"{entry['forward']:.0f}",
            f"{entry['training']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def document(text: str, options: Options) -> str:
    """The page: what was measured, and the table."""
    size = f"{MARS_TILES.height}x{MARS_TILES.width}x{MARS_TILES.channels}"
    return f"""# Networks

Written by `benchmarks/networks.py` on {time.strftime("%Y-%m-%d")}; torch {torch.__version__.partition("+")[0]}, one
thread of a CPU, {options.precision}, batches of {BATCH} images of {size}, {MARS_TILES.classes} classes. Speeds compare
networks of this table with each other, not machines. Multiply-adds are those of convolutions and matrix products of one
image.

{text}
"""


if __name__ == "__main__":
    run_command(main)
