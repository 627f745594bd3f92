"""The conditions of parameters, told one by one, agree with the walk that a search does."""

import numpy as np
import pytest

from spaces.conditions import All, AnyOf, Is, dimensions
from spaces.domains import Branch, Choice, Domain, Float, Int, Maybe, Scalar, Simplex, resolve
from spaces.mars_tiles import MARS_TILES
from spaces.space import Params
from spaces.unet_family import unet_family
from tests.spaces.sampling import draw

SMALL = {
    "size": Int(2, 8, default=4, step=2),
    "maybe": Maybe({"inner": Maybe(Float(0.1, 1.0, default=0.2), default=False), "fixed": 3}, default=False),
    "branch": Branch({"none": {}, "a": {"x": Int(1, 3, default=1)}}, default="a", common={"y": Int(1, 3, default=2)}),
    "mixture": Simplex(
        {"p": {"power": Float(1, 2, default=1)}, "q": {}, "r": {"beta": Float(0, 1, default=0.5)}},
        default={"p": 1.0},
        common={"cap": Choice((1, 2), default=1)},
    ),
}


def sample(root, rng: np.random.Generator) -> tuple[Params, dict[str, Domain]]:
    params: Params = {}
    domains: dict[str, Domain] = {}

    def suggest(name: str, domain: Domain) -> Scalar:
        domains[name] = domain
        params[name] = draw(domain, rng)
        return params[name]

    resolve(root, "", suggest)
    return params, domains


@pytest.mark.parametrize("root", [SMALL, unet_family(MARS_TILES).root], ids=["small", "unet_family"])
def test_exactly_the_parameters_whose_condition_holds_are_asked_for(root):
    listed = {dimension.name: dimension for dimension in dimensions(root)}
    rng, seen = np.random.default_rng(0), set()
    for _ in range(300):
        params, domains = sample(root, rng)
        assert set(params) == {name for name, dimension in listed.items() if dimension.when.holds(params)}
        assert all(listed[name].domain == domain for name, domain in domains.items())
        seen |= set(params)
    assert seen == set(listed)


def test_names_are_listed_once():
    names = [dimension.name for dimension in dimensions(unet_family(MARS_TILES).root)]
    assert len(names) == len(set(names))


def test_conditions_as_json():
    condition = All((Is("a", True), AnyOf((Is("b", "x"), Is("c", 1)))))
    assert condition.to_json() == {
        "all": [{"parameter": "a", "is": True}, {"any": [{"parameter": "b", "is": "x"}, {"parameter": "c", "is": 1}]}]
    }
    assert not condition.holds({"a": True, "b": "y"})
    assert condition.holds({"a": True, "b": "y", "c": 1})


def test_the_tiles_have_a_background_and_a_rare_class():
    assert MARS_TILES.background == 0
    assert MARS_TILES.rare_class == 4
