"""Which encoders a space may draw: what it says agrees with what is drawn."""

from dataclasses import replace

import pytest

from spaces.deeplab_family import RESNETS
from spaces.domains import Branch, Choice
from spaces.encoder_family import DILATED_ENCODERS, ENCODERS
from spaces.encoders import encoders_of
from spaces.networks import EncoderConfig
from spaces.presets import PRESETS
from spaces.space import NamedPoint, SearchSpace
from spaces.unet_family import unet_family
from tests.spaces.sampling import facts, sample

SPACES = {name: preset(facts()) for name, preset in PRESETS.items()}
POINTLESS = {name: replace(space, points={}) for name, space in SPACES.items()}


@pytest.mark.parametrize("name", SPACES)
def test_what_is_drawn_is_listed(name: str) -> None:
    space = SPACES[name]
    models = [space.decode(sample(space, seed)).model for seed in range(150)]
    models += [point.config.model for point in space.points.values()]
    drawn = {model.encoder for model in models if isinstance(model, EncoderConfig)}
    assert drawn <= set(encoders_of(space))
    assert bool(drawn) == bool(encoders_of(space))


def test_the_lists_of_the_presets() -> None:
    assert encoders_of(POINTLESS["encoder_family"]) == tuple(sorted({*ENCODERS, *DILATED_ENCODERS}))
    assert encoders_of(POINTLESS["deeplab_family"]) == tuple(sorted(RESNETS))
    assert encoders_of(POINTLESS["unet_family"]) == ()


DATA = {"in_channels": 1, "classes": 5}


@pytest.mark.parametrize(
    ("model", "encoders"),
    [
        ({**DATA, "family": "deeplab"}, ("resnet18",)),
        ({**DATA, "family": "encoder", "encoder": "resnet26d"}, ("resnet26d",)),
        ({**DATA, "family": Choice(("unet", "hybrid", "deeplab"), default="unet")}, ("resnet18",)),
        (
            Branch(
                {"unet": {}, "encoder": {}, "deeplab": {"encoder": "resnet34"}},
                default="unet",
                key="family",
                common={**DATA, "encoder": Choice(("resnet10t", "resnet18"), default="resnet18")},
            ),
            ("resnet10t", "resnet18", "resnet34"),
        ),
    ],
)
def test_what_a_space_leaves_out_is_the_configurations_default(model: object, encoders: tuple[str, ...]) -> None:
    assert tuple(sorted(set(_drawn(model)))) == encoders


def _drawn(model: object) -> tuple[str, ...]:
    """Of a tree that need not be a whole space: a U-Net with an encoder is none, and is never decoded here."""
    return encoders_of(replace_model(unet_family(facts()), model))


def replace_model(space: SearchSpace, model: object) -> SearchSpace:
    bare = replace(space, points={})
    object.__setattr__(bare, "root", {**space.root, "model": model})
    return bare


def test_named_points_count() -> None:
    """A space of its own, whose axes name one encoder and whose point has another: a network may differ by it alone."""
    space = POINTLESS["deeplab_family"]
    point = SPACES["deeplab_family"].points["report000_deeplabv3plus_rates"]
    assert "resnet50" not in encoders_of(with_encoder(space, "resnet18"))
    assert encoders_of(with_points(with_encoder(space, "resnet18"), {"ours": point})) == ("resnet18", "resnet50")
    assert encoders_of(SPACES["deeplab_family"]) == encoders_of(space)


def with_encoder(space: SearchSpace, encoder: str) -> SearchSpace:
    return replace_model(space, {**space.root["model"], "encoder": encoder})


def with_points(space: SearchSpace, points: dict[str, NamedPoint]) -> SearchSpace:
    """Points of a space that need not hold them."""
    object.__setattr__(space, "points", points)
    return space
