"""Which encoders of timm a search space may draw."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import get_args

from spaces.domains import Branch, Choice, Maybe, Node
from spaces.networks import EncoderConfig, ModelConfig
from spaces.space import SearchSpace

DEFAULTS = {
    network.model_fields["family"].default: network.model_fields["encoder"].default
    for network in get_args(get_args(ModelConfig)[0])
    if issubclass(network, EncoderConfig)
}
"""For each family of networks on an encoder of timm, the encoder of a configuration that names none."""


def encoders_of(space: SearchSpace) -> tuple[str, ...]:
    """The names of all encoders of a space and of its named points, sorted; empty where no network has one."""
    drawn = _drawn(space.root["model"])
    named = (getattr(point.config.model, "encoder", None) for point in space.points.values())
    return tuple(sorted({*drawn, *(name for name in named if name is not None)}))


def only_encoders(space: SearchSpace, encoders: Sequence[str]) -> SearchSpace:
    """The networks of `space` that are on one of `encoders`; one of them must be in it.

    Where one encoder is left there is no choice. A default that is not left is replaced by the first that is.
    """
    model = space.root["model"]
    if isinstance(model, Branch):
        families = {
            family: {**nodes, "encoder": kept}
            for family, nodes in model.options.items()
            if (kept := _kept(family, {**model.common, **nodes}, encoders)) is not None
        }
        default = model.default if model.default in families else next(iter(families))
        model = replace(model, options=families, default=default)
    elif not isinstance(model["family"], Choice):
        model = {**model, "encoder": _kept(model["family"], model, encoders)}
    bare = replace(space, root={**space.root, "model": model}, points={})
    return replace(bare, points={name: point for name, point in space.points.items() if bare.holds(point.config)})


def _kept(family: Node, nodes: Mapping[str, Node], encoders: Sequence[str]) -> Node:
    """The node of a family's encoder with none but `encoders`; None where that leaves nothing."""
    kept = tuple(name for name in _of_family(family, nodes) if name in encoders)
    if len(kept) < 2:
        return kept[0] if kept else None
    default = nodes["encoder"].default
    return Choice(kept, default=default if default in kept else kept[0])


def _drawn(model: Node) -> Iterator[str]:
    """The encoders under the node of the model: a family's own nodes stand in for the common ones."""
    if isinstance(model, Branch):
        for family, nodes in model.options.items():
            yield from _of_family(family, {**model.common, **nodes})
    elif isinstance(model, Mapping):
        family = model.get("family")
        for name in family.options if isinstance(family, Choice) else (family,):
            yield from _of_family(name, model)


def _of_family(family: Node, nodes: Mapping[str, Node]) -> Iterator[str]:
    if family not in DEFAULTS:
        return
    encoder = nodes.get("encoder", DEFAULTS[family])
    encoder = encoder.node if isinstance(encoder, Maybe) else encoder
    yield from encoder.options if isinstance(encoder, Choice) else (encoder,)
