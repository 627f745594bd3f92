"""Asynchronous successive halving by the stopping rule (Li et al. 2020, arXiv 1810.05934), on integer rungs.

A trial that reaches a rung goes on if its best value so far is among the best 1/factor of all values seen at that rung,
its own included. The first arrival always goes on, and so does a tie with the last value that would. The decision is a
pure function of the values recorded at the rung before: nothing is kept between calls, so a restart cannot lose a rung.

With several objectives (Schmucker et al. 2021, arXiv 2106.12639) trials stand at a rung by the rank of their front, and
within a front by how alone they are on it.
"""

from collections.abc import Sequence

from search.tuning.pareto import Point, fronts, rooms


def default_grace(max_epochs: int, factor: int) -> int:
    """The first rung: max_epochs / factor squared, at least 1. Two or three decisions then come before the end."""
    return max(1, max_epochs // factor**2)


def rungs(max_epochs: int, grace: int, factor: int) -> tuple[int, ...]:
    """The epochs at which trials are compared: grace * factor**k below max_epochs.

    >>> rungs(27, 3, 3)
    (3, 9)
    """
    if not 1 <= grace <= max_epochs:
        raise ValueError(f"the grace period must be between 1 and max_epochs = {max_epochs}, got {grace}")
    if factor < 2:
        raise ValueError(f"the reduction factor must be at least 2, got {factor}")
    epochs = []
    while grace < max_epochs:
        epochs.append(grace)
        grace *= factor
    return tuple(epochs)


def goes_on(value: float, others: Sequence[float], factor: int) -> bool:
    """Whether a trial with `value` at a rung continues, given the values of the `others` recorded there before.

    >>> goes_on(0.3, [], 3), goes_on(0.3, [0.4], 3), goes_on(0.4, [0.3, 0.4], 3)
    (True, False, True)
    """
    places = max(1, (len(others) + 1) // factor)
    return sum(other > value for other in others) < places


def goes_on_among(point: Point, others: Sequence[Point], factor: int) -> bool:
    """As `goes_on`, for points of one or more coordinates, in each of which more is better.

    Ahead of a point are all on better fronts, and those of its own front that have more room (`rooms`). The best of
    each coordinate on the first front has none ahead of it. With one coordinate it is the rule of `goes_on`: a front
    is a single value.

    >>> [goes_on_among(point, [(0.6, -9.0), (0.5, -8.0)], 3) for point in ((0.3, -2.0), (0.4, -8.0), (0.55, -8.5))]
    [True, False, False]
    """
    places = max(1, (len(others) + 1) // factor)
    return _ahead(point, others) < places


def _ahead(point: Point, others: Sequence[Point]) -> int:
    """How many of the others come before a point."""
    ahead = 0
    for front in fronts([*others, point]):
        if point in front:
            alone = rooms(front)
            return ahead + sum(alone.get(other, 0.0) > alone[point] for other in others)
        members = set(front)
        ahead += sum(other in members for other in others)
    raise AssertionError("the point itself is on a front")
