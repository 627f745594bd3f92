"""What a search looks for: validation mIoU alone, or its trade-off with what a network costs. Imports nothing heavy."""

from typing import Literal, get_args

from search.errors import UserError
from search.words import listed

Objective = Literal["miou", "latency", "macs", "parameters"]
Objectives = tuple[Objective, ...]

MIOU: Objective = "miou"
MIOU_ALONE: Objectives = (MIOU,)
COSTS: Objectives = ("latency", "macs", "parameters")
"""The other objectives: less is better."""

UNITS: dict[Objective, str] = {
    "miou": "mIoU",
    "latency": "latency (ms)",
    "macs": "multiply-adds",
    "parameters": "parameters",
}
"""What each is called above its column, and in the dashboard; costs are those of one image."""


def parse_objectives(text: str) -> Objectives:
    """The objectives in `miou,latency`, in the order given. Raises UserError."""
    asked = tuple(name.strip() for name in text.split(","))
    known = {name: name for name in get_args(Objective)}
    chosen: Objectives = tuple(known[name] for name in asked if name in known)
    if chosen != asked or chosen[0] != MIOU or len(set(chosen)) < len(chosen):
        raise UserError(
            f"--objectives is miou, or miou and after it one or more of {', '.join(COSTS)}, each once and joined by "
            f"commas, such as miou,latency; got {text!r}"
        )
    return chosen


def costs_of(objectives: Objectives) -> Objectives:
    """The objectives beside mIoU, in their order."""
    return objectives[1:]


def objectives_text(objectives: Objectives) -> str:
    """The objectives in words: `mIoU and latency (ms)`."""
    return listed([UNITS[objective] for objective in objectives])
