"""Fronts and room, against their definitions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.tuning.pareto import Point, dominates, first_front, fronts, rooms

COORDINATE = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(-2, 2)


def points(coordinates: int, least: int = 0) -> st.SearchStrategy[list[Point]]:
    return st.lists(st.tuples(*[COORDINATE] * coordinates), min_size=least, max_size=20)


SOME = st.integers(1, 4).flatmap(points)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((1.0, 1.0), (1.0, 1.0), False),
        ((1.0, 1.0), (1.0, 0.9), True),
        ((1.0, 0.9), (0.9, 1.0), False),
        ((1.0, 1.0, 1.0), (0.0, 1.0, 1.0), True),
        ((0.5,), (0.4,), True),
    ],
)
def test_domination(first: Point, second: Point, expected: bool) -> None:
    assert dominates(first, second) is expected


def test_fronts_of_a_known_set() -> None:
    found = fronts([(2, 0), (1, 1), (3, 1), (1, 3), (0, 4), (3, 1)])
    assert found == [[(3, 1), (1, 3), (0, 4)], [(2, 0), (1, 1)]]


@given(SOME)
def test_the_first_front_is_what_nothing_dominates_and_each_next_one_that_of_the_rest(all_points: list[Point]) -> None:
    left = set(all_points)
    found = fronts(all_points)
    for front in found:
        undominated = {point for point in left if not any(dominates(other, point) for other in left)}
        assert (set(front), len(front)) == (undominated, len(undominated))
        left -= undominated
    assert not left
    assert first_front(all_points) == (found[0] if found else [])


def test_room_in_a_known_front() -> None:
    front = [(4.0, 0.0), (2.0, 2.0), (1.0, 3.0), (0.0, 4.0)]
    assert list(rooms(front).values()) == [math.inf, 0.75 + 0.75, 0.5 + 0.5, math.inf]


def test_in_three_coordinates_the_worst_of_one_is_not_set_apart() -> None:
    """(5, 1, 0) is the worst of the third and the best of none; (0, 9, 0) shares the worst with it."""
    front = [(9.0, 0.0, 0.0), (5.0, 1.0, 0.0), (0.0, 9.0, 0.0), (1.0, 0.5, 3.0)]
    assert list(rooms(front).values()) == [
        math.inf,
        (9 - 1) / 9 + (9 - 0.5) / 9 + 3 / 3,
        math.inf,
        math.inf,
    ]


def test_of_those_that_share_the_best_of_a_coordinate_one_is_set_apart() -> None:
    front = [(3.0, 1.0, 7.0), (2.0, 2.0, 7.0), (1.0, 3.0, 7.0), (0.0, 4.0, 7.0)]
    assert [math.isinf(room) for room in rooms(front).values()] == [True, False, False, True]


@given(points(3, least=1), st.randoms(use_true_random=False))
def test_the_order_of_a_front_does_not_matter(all_points: list[Point], random) -> None:
    front = first_front(all_points)
    assert rooms(random.sample(front, len(front))) == rooms(front)
    assert 1 <= sum(math.isinf(room) for room in rooms(front).values()) <= 3
