"""A space with pseudo-labels, as a user would write it."""

from dataclasses import replace

from spaces.axes import augment_axes
from spaces.facts import DataFacts
from spaces.space import SearchSpace
from spaces.unet_family import unet_family


def with_pseudo_labels(facts: DataFacts) -> SearchSpace:
    """The preset of U-Nets, and pseudo-labels."""
    space = unet_family(facts)
    root = {**space.root, "augment": augment_axes(facts, pseudo_labels=True)}
    return replace(space, name="with_pseudo_labels", root=root)
