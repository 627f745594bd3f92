"""The pruning rule."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.tuning.asha import default_grace, goes_on, rungs

VALUES = st.lists(st.floats(0, 1) | st.sampled_from([0.2, 0.5]), max_size=30)
FACTORS = st.integers(2, 5)


@pytest.mark.parametrize(
    ("max_epochs", "grace", "factor", "expected"),
    [
        (27, 3, 3, (3, 9)),
        (27, 1, 3, (1, 3, 9)),
        (28, 1, 3, (1, 3, 9, 27)),
        (9, 9, 3, ()),
        (1, 1, 2, ()),
        (100, 5, 4, (5, 20, 80)),
        (243, 1, 3, (1, 3, 9, 27, 81)),
    ],
)
def test_rungs(max_epochs: int, grace: int, factor: int, expected: tuple[int, ...]) -> None:
    assert rungs(max_epochs, grace, factor) == expected


@pytest.mark.parametrize(
    ("max_epochs", "factor", "expected"), [(27, 3, 3), (9, 3, 1), (8, 3, 1), (1, 3, 1), (64, 2, 16)]
)
def test_default_grace(max_epochs: int, factor: int, expected: int) -> None:
    assert default_grace(max_epochs, factor) == expected


@given(st.integers(1, 500), FACTORS, st.data())
def test_rungs_are_whole_epochs_a_factor_apart_and_end_before_the_last(max_epochs: int, factor: int, data) -> None:
    grace = data.draw(st.integers(1, max_epochs))
    found = rungs(max_epochs, grace, factor)
    assert all(isinstance(epoch, int) and grace <= epoch < max_epochs for epoch in found)
    assert all(later == factor * earlier for earlier, later in pairwise(found))
    assert (found[-1] if found else grace / factor) * factor >= max_epochs
    assert not found or found[0] == grace


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((9, 0, 3), "the grace period must be between 1 and max_epochs = 9, got 0"),
        ((9, 10, 3), "the grace period must be between 1 and max_epochs = 9, got 10"),
        ((9, 1, 1), "the reduction factor must be at least 2, got 1"),
    ],
)
def test_impossible_rungs_are_refused(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rungs(*arguments)


@pytest.mark.parametrize(
    ("value", "others", "expected"),
    [
        (0.0, [], True),  # the first arrival
        (0.5, [0.5], True),  # a tie with the best
        (0.4, [0.5], False),
        (0.4, [0.5, 0.3, 0.3], False),  # one place among four
        (0.4, [0.5, 0.3, 0.3, 0.3, 0.3], True),  # two among six
        (0.4, [0.5, 0.5, 0.3, 0.3, 0.3], False),
        (0.5, [0.5] * 30, True),
    ],
)
def test_decisions(value: float, others: list[float], expected: bool) -> None:
    assert goes_on(value, others, 3) is expected


@given(st.floats(0, 1), VALUES, FACTORS)
def test_who_goes_on_has_few_better_ones(value: float, others: list[float], factor: int) -> None:
    better = sum(other > value for other in others)
    assert goes_on(value, others, factor) == (better < max(1, (len(others) + 1) // factor))
    assert goes_on(value, others, factor) or better >= 1


@given(st.floats(0, 1), st.floats(0, 1), VALUES, FACTORS, st.randoms(use_true_random=False))
def test_a_better_value_never_fares_worse_and_order_does_not_matter(a, b, others, factor, random) -> None:
    low, high = sorted((a, b))
    assert goes_on(high, others, factor) >= goes_on(low, others, factor)
    assert goes_on(low, random.sample(others, len(others)), factor) == goes_on(low, others, factor)


@given(VALUES.filter(bool), FACTORS)
def test_arriving_together_a_share_goes_on(values: list[float], factor: int) -> None:
    """Judged against all the others, the best 1/factor go on, and whoever ties with the last of them."""
    survivors = [v for i, v in enumerate(values) if goes_on(v, values[:i] + values[i + 1 :], factor)]
    places = max(1, len(values) // factor)
    cutoff = sorted(values, reverse=True)[places - 1]
    assert sorted(survivors) == sorted(v for v in values if v >= cutoff)
