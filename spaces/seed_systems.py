"""The space `seed_systems`: what the two reports tried, named, in one tree that can express all of it."""

from spaces.all_families import family_axes
from spaces.domains import Choice
from spaces.facts import DataFacts
from spaces.families import several_families
from spaces.reports import report_points
from spaces.space import SearchSpace
from spaces.unet_family import ATROUS_RATES


def seed_systems(facts: DataFacts) -> SearchSpace:
    """Every system of the two reports on Mars terrain as a named point, with its published score."""
    axes = family_axes(facts)
    deeplab = {**axes["deeplab"], "rates": Choice(ATROUS_RATES, default=(1, 2, 4))}
    return several_families("seed_systems", facts, {**axes, "deeplab": deeplab}, report_points(facts), default="unet")
