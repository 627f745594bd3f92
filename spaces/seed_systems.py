"""The space `seed_systems`: what the two reports tried, named, in one tree that can express all of it."""

from dataclasses import replace

from spaces.all_families import family_axes
from spaces.domains import Choice, Int
from spaces.facts import DataFacts
from spaces.families import several_families
from spaces.reports import report_points
from spaces.space import SearchSpace
from spaces.unet_family import ATROUS_RATES


def seed_systems(facts: DataFacts) -> SearchSpace:
    """Every system of the two reports on Mars terrain as a named point, with its published score."""
    axes = family_axes(facts)
    wider = {
        "unet": {**axes["unet"], "depth": Int(3, 5, default=4)},
        "deeplab": {**axes["deeplab"], "rates": Choice(ATROUS_RATES, default=(1, 2, 4))},
    }
    bare = several_families("seed_systems", facts, {**axes, **wider}, {}, default="unet", pseudo_labels=True)
    return replace(bare, points=report_points(facts))  # a system that it cannot express is an error
