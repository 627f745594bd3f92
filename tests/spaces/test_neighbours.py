"""Random points near another one: most values kept, the others moved within their domain, on its scale."""

import numpy as np
import pytest

from spaces.domains import Choice, Float, Int
from spaces.neighbours import KEPT, STEP, move, neighbour
from spaces.space import SearchSpace
from spaces.unet_family import unet_family
from tests.spaces.sampling import VARIANTS, sample


@pytest.mark.parametrize("facts", VARIANTS.values(), ids=VARIANTS.keys())
def test_neighbours_of_the_default_are_configurations_that_keep_most_of_it(facts) -> None:
    space = unet_family(facts)
    default, generator = space.encode(space.default), np.random.default_rng(1)
    shares = []
    for _ in range(60):
        params = neighbour(space, {}, generator)
        space.decode(params)
        shares.append(np.mean([params.get(name) == value for name, value in default.items()]))
    assert np.mean(shares) == pytest.approx(KEPT, abs=0.07)  # a parameter may also go with its condition


def test_neighbours_of_a_point_keep_its_values() -> None:
    space = unet_family(VARIANTS["course"])
    generator = np.random.default_rng(3)
    centre = sample(space, seed=8)
    points = [neighbour(space, centre, generator) for _ in range(200)]
    for name, value in centre.items():
        there = [point[name] == value for point in points if name in point]
        assert np.mean(there) == pytest.approx(KEPT, abs=0.12), name
    assert all(any(point.get(name) != value for point in points) for name, value in centre.items())


def test_a_number_moves_around_where_it_is_on_its_scale() -> None:
    generator = np.random.default_rng(0)
    domain = Float(1e-4, 1.0, default=1e-2, log=True)
    moved = np.log10([float(move(domain, 1e-2, generator)) for _ in range(2000)])
    assert (moved.mean(), moved.std()) == (pytest.approx(-2, abs=0.1), pytest.approx(4 * STEP, rel=0.1))


@pytest.mark.parametrize(("here", "there"), [(2, {5}), (5, {2, 8}), (8, {5})])
def test_an_integer_always_moves(here: int, there: set[int]) -> None:
    generator = np.random.default_rng(0)
    assert {move(Int(2, 8, default=2, step=3), here, generator) for _ in range(200)} == there


@pytest.mark.parametrize("here", [0.0, 0.4])
def test_a_number_at_its_bound_is_not_held_there(here: float) -> None:
    generator = np.random.default_rng(0)
    moved = [move(Float(0.0, 0.4, default=0.0), here, generator) for _ in range(100)]
    assert here not in moved
    assert all(0 <= float(value or 0) <= 0.4 for value in moved)


def test_a_choice_moves_to_each_of_its_other_options() -> None:
    generator = np.random.default_rng(0)
    moved = [move(Choice(("a", (1, 2), None), default="a"), "1-2", generator) for _ in range(50)]
    assert set(moved) == {"a", None}
    assert move(Choice(("only",), default="only"), "only", generator) == "only"


def test_a_point_that_is_taken_is_drawn_again() -> None:
    small = {
        "model": {"family": "unet", "in_channels": 1, "classes": 2, "depth": Int(3, 4, default=3)},
        "loss": {"cross_entropy": {"weight": 1.0}},
        "optimizer": {},
        "augment": {},
    }
    space = SearchSpace(name="own", root=small)
    generator, taken = np.random.default_rng(0), {"model.depth": 3}
    points = [neighbour(space, {}, generator, [taken]) for _ in range(20)]
    assert points == [{"model.depth": 4}] * 20
    assert neighbour(space, {}, generator, [taken, {"model.depth": 4}])  # nothing else is left
