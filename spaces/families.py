"""From the axes of one or several families to a search space."""

from collections.abc import Mapping

from spaces.axes import shared_axes
from spaces.domains import Branch, Choice, Node
from spaces.facts import DataFacts
from spaces.space import NamedPoint, SearchSpace

Axes = Mapping[str, Node]
"""The searched fields of a network's configuration; fields that are left out keep their default."""


def one_family(name: str, facts: DataFacts, family: str, axes: Axes, points: Mapping[str, NamedPoint]) -> SearchSpace:
    """The space of a single family with those of the points that are in it."""
    return _space(name, facts, {"family": family, **_data_fields(facts), **axes, **_start()}, points)


def several_families(
    name: str,
    facts: DataFacts,
    families: Mapping[str, Axes],
    points: Mapping[str, NamedPoint],
    *,
    default: str,
    pseudo_labels: bool = False,
) -> SearchSpace:
    """A conditional space over families, which share all other axes, with those of the points that are in it.

    `pseudo_labels` as in `augment_axes`.
    """
    model = Branch(families, default=default, key="family", common={**_data_fields(facts), **_start()})
    return _space(name, facts, model, points, pseudo_labels=pseudo_labels)


def _data_fields(facts: DataFacts) -> dict[str, Node]:
    return {"in_channels": facts.channels, "classes": facts.classes}


def _start() -> dict[str, Node]:
    return {"initialization": Choice(("default", "glorot_uniform", "he_normal"), default="default")}


def _space(
    name: str, facts: DataFacts, model: Node, points: Mapping[str, NamedPoint], *, pseudo_labels: bool = False
) -> SearchSpace:
    bare = SearchSpace(name=name, root={"model": model, **shared_axes(facts, pseudo_labels=pseudo_labels)})
    inside = {name: point for name, point in points.items() if bare.holds(point.config)}
    return SearchSpace(name=name, root=bare.root, points=inside)
