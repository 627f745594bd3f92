"""The space `experts`: a network or a decoder a class, as report 000 proposes."""

from spaces.domains import Choice
from spaces.facts import DataFacts
from spaces.families import Axes, one_family
from spaces.reports import report_points
from spaces.space import SearchSpace
from spaces.unet_family import unet_axes


def experts(facts: DataFacts) -> SearchSpace:
    """One binary expert a class, and argmax over their calibrated logits."""
    return one_family("experts", facts, "experts", experts_axes(facts), report_points(facts))


def experts_axes(facts: DataFacts) -> Axes:
    """U-Nets as experts, narrower ones too: there is one a class."""
    thresholds = (None,) if facts.background is None else (None, facts.background)
    return {
        "arrangement": Choice(("decoders", "networks"), default="decoders"),
        "threshold_class": Choice(thresholds, default=None) if len(thresholds) > 1 else None,
        **unet_axes(facts),
        "width": Choice((4, 8, 16, 24, 32), default=8),
    }
