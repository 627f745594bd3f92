"""Points that are compared in several coordinates at once. In each of them more is better.

A point dominates another one that it equals or exceeds in every coordinate, and exceeds in one.
"""

import math
from collections.abc import Iterable, Sequence

Point = tuple[float, ...]


def dominates(first: Point, second: Point) -> bool:
    """Whether `first` is nowhere worse than `second`, and better somewhere.

    >>> dominates((2, 1), (1, 1)), dominates((1, 1), (1, 1)), dominates((2, 0), (1, 1))
    (True, False, False)
    """
    return first != second and all(mine >= other for mine, other in zip(first, second, strict=True))


def fronts(points: Iterable[Point]) -> list[list[Point]]:
    """The different points by rank: those that none dominates, then those that only these dominate, and so on.

    In sequence from the best first coordinate, no point is dominated by a later one (Zhang et al. 2015, efficient
    non-dominated sorting, 10.1109/TEVC.2014.2308305).

    >>> fronts([(1, 1), (3, 1), (1, 3), (0, 4), (2, 0)])
    [[(3, 1), (1, 3), (0, 4)], [(2, 0), (1, 1)]]
    """
    found: list[list[Point]] = []
    for point in sorted(set(points), reverse=True):
        for front in found:
            if not any(dominates(other, point) for other in front):
                front.append(point)
                break
        else:
            found.append([point])
    return found


def first_front(points: Iterable[Point]) -> list[Point]:
    """The different points that none dominates, from the best first coordinate: the first of `fronts`."""
    front: list[Point] = []
    for point in sorted(set(points), reverse=True):
        if not any(dominates(other, point) for other in front):
            front.append(point)
    return front


def rooms(front: Sequence[Point]) -> dict[Point, float]:
    """How alone each point of a front is: its crowding distance (Deb et al. 2002, 10.1109/4235.996017).

    In each coordinate the distance between its neighbours, as a share of the front's range; their sum. Infinite for
    the best of a coordinate; of several that share its best value, for the one that comes first in sequence. Where the
    worst of a coordinate has one neighbour alone, the distance to that one counts: with two coordinates it is the best
    of the other, with more it deserves no place for that. The order of a front does not matter.

    >>> rooms([(4, 0), (2, 2), (1, 3), (0, 4)])
    {(4, 0): inf, (2, 2): 1.5, (1, 3): 1.0, (0, 4): inf}
    """
    found = dict.fromkeys(front, 0.0)
    for coordinate in range(len(front[0])):
        values = sorted({point[coordinate] for point in front})
        last, places = len(values) - 1, {value: at for at, value in enumerate(values)}
        for point in found if last else ():
            at = places[point[coordinate]]
            between = values[min(at + 1, last)] - values[max(at - 1, 0)]
            found[point] += between / (values[last] - values[0])
        found[max(front, key=lambda point, at=coordinate: (point[at], point))] = math.inf
    return found
