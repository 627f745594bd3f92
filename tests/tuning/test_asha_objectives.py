"""The pruning rule with several objectives. Points are (mIoU, minus a cost): in each coordinate more is better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.tuning.asha import goes_on, goes_on_among
from search.tuning.pareto import Point, dominates

VALUE = st.floats(0, 1) | st.sampled_from([0.2, 0.5])
POINTS = st.lists(st.tuples(VALUE, VALUE), max_size=25)
FACTORS = st.integers(2, 5)

FRONT = [(0.70, -40.0), (0.66, -20.0), (0.60, -10.0), (0.50, -6.0), (0.40, -5.0)]
"""Five that dominate none of each other; with one more there are two places at factor 3."""


@given(VALUE, st.lists(VALUE, max_size=30), FACTORS)
def test_with_one_objective_it_is_the_rule_of_one(value: float, others: list[float], factor: int) -> None:
    assert goes_on_among((value,), [(other,) for other in others], factor) == goes_on(value, others, factor)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0.20, -1.0), True),  # small and fast: the cheapest, with a lower mIoU than all others
        ((0.71, -90.0), True),  # the best mIoU, at any cost
        ((0.80, -1.0), True),  # better than all of them in both
        ((0.69, -41.0), False),  # worse than the first in both
        ((0.40, -7.0), False),
        ((0.69, -39.0), False),  # on the front, close behind the first
        ((0.40, -5.0), True),  # a tie with the cheapest
        ((0.30, -5.0), False),  # as cheap as the cheapest, and worse
    ],
)
def test_who_goes_on_beside_a_front(point: Point, expected: bool) -> None:
    assert goes_on_among(point, FRONT, 3) is expected


def test_the_one_that_fills_a_gap_of_the_front_goes_on_before_the_one_in_a_crowd() -> None:
    others = [
        (0.9, -9.0),
        (0.85, -8.8),
        (0.83, -8.6),
        (0.8, -8.4),
        (0.79, -8.2),
        (0.78, -8.0),
        (0.1, -1.0),
        (0.0, -9.9),
    ]
    assert goes_on_among((0.4, -4.0), others, 3)  # three places: both ends, and the widest gap
    assert not goes_on_among((0.82, -8.5), others, 3)


def test_the_first_arrival_goes_on_and_a_dominated_second_does_not() -> None:
    assert goes_on_among((0.1, -9.0), [], 3)
    assert not goes_on_among((0.1, -9.0), [(0.2, -8.0)], 3)
    assert goes_on_among((0.1, -7.0), [(0.2, -8.0)], 3)


def test_where_nothing_is_dominated_a_share_goes_on() -> None:
    """Thirty different points of one front, evenly apart: judged each against all the others, the ends are ahead."""
    points = [(step / 30, -(step**1.5)) for step in range(30)]
    survivors = [point for i, point in enumerate(points) if goes_on_among(point, points[:i] + points[i + 1 :], 3)]
    assert {points[0], points[-1]} <= set(survivors)
    assert len(survivors) == 10


@given(st.tuples(VALUE, VALUE), POINTS, FACTORS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(point, others, factor, random) -> None:
    shuffled = random.sample(others, len(others))
    assert goes_on_among(point, shuffled, factor) == goes_on_among(point, others, factor)


@given(st.tuples(VALUE, VALUE), POINTS, FACTORS)
def test_who_is_dominated_by_as_many_as_there_are_places_ends(point, others, factor) -> None:
    dominating = sum(dominates(other, point) for other in others)
    if dominating >= max(1, (len(others) + 1) // factor):
        assert not goes_on_among(point, others, factor)


@given(st.tuples(VALUE, VALUE), POINTS, FACTORS, st.integers(0, 1))
def test_who_is_better_than_all_in_one_objective_goes_on(point, others, factor, coordinate) -> None:
    if all(point[coordinate] > other[coordinate] for other in others):
        assert goes_on_among(point, others, factor)
