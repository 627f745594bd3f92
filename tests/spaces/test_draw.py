"""Random points: each value in its domain, on its scale, and near the default where asked."""

import numpy as np
import pytest

from spaces.domains import Choice, Domain, Float, Int
from spaces.draw import KEPT, draw, draw_near_default
from spaces.space import SearchSpace
from spaces.unet_family import unet_family
from tests.spaces.sampling import VARIANTS


@pytest.mark.parametrize(
    "domain",
    [
        Float(0.5, 2.0, default=1.0),
        Float(1e-4, 0.1, default=0.01, log=True),
        Int(2, 8, default=2, step=3),
        Int(1, 64, default=8, log=True),
        Choice(("a", (1, 2), None, False), default="a"),
    ],
)
def test_a_draw_is_in_its_domain_and_reaches_both_halves(domain: Domain) -> None:
    generator = np.random.default_rng(0)
    drawn = [draw(domain, generator) for _ in range(300)]
    assert all(value in domain for value in drawn)
    if isinstance(domain, Choice):
        assert set(drawn) == set(domain.labels)
        return
    middle = np.sqrt(domain.low * domain.high) if domain.log else (domain.low + domain.high) / 2
    below = sum(value < middle for value in drawn if isinstance(value, int | float))
    assert 90 <= below <= 210


@pytest.mark.parametrize("facts", VARIANTS.values(), ids=VARIANTS.keys())
def test_points_near_the_default_are_configurations_that_keep_half_of_it(facts) -> None:
    space = unet_family(facts)
    default, generator = space.encode(space.default), np.random.default_rng(1)
    shares = []
    for _ in range(60):
        params = draw_near_default(space, generator)
        space.decode(params)
        shares.append(np.mean([params.get(name) == value for name, value in default.items()]))
    # More than KEPT, as a draw may hit the default too; less where a parameter has gone with its condition.
    assert KEPT - 0.05 < np.mean(shares) < 0.8


def test_a_point_that_is_taken_is_drawn_again() -> None:
    small = {"model": {"depth": Int(3, 4, default=3)}, "loss": {}, "optimizer": {}, "augment": {}}
    space = SearchSpace(name="own", root=small)
    generator, taken = np.random.default_rng(0), {"model.depth": 3}
    assert all(draw_near_default(space, generator, [taken]) == {"model.depth": 4} for _ in range(20))
    assert draw_near_default(space, generator, [taken, {"model.depth": 4}]) in ({"model.depth": 3}, {"model.depth": 4})


def test_no_parameter_is_fixed_at_its_default() -> None:
    space = unet_family(VARIANTS["course"])
    default, generator = space.encode(space.default), np.random.default_rng(2)
    points = [draw_near_default(space, generator) for _ in range(200)]
    assert all(any(point.get(name) != value for point in points) for name, value in default.items())
