"""Points of a space drawn at random near another one."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from spaces.domains import Choice, Domain, Float, Int, Scalar, label
from spaces.space import Params, SearchSpace

KEPT = 0.9
"""Probability with which `neighbour` leaves a parameter where it is."""

STEP = 0.25
"""Standard deviation of a moved number, as a share of its range."""

ATTEMPTS = 100


def neighbour(
    space: SearchSpace, centre: Mapping[str, Scalar], generator: np.random.Generator, taken: Sequence[Params] = ()
) -> Params:
    """A point near `centre`: each parameter keeps its value with probability `KEPT`, else it moves.

    Parameters that `centre` does not hold start from their default; an empty one is the default point. Never one of
    `taken`, unless a hundred draws find nothing else: a small space may have no other point.
    """

    def suggest(name: str, domain: Domain) -> Scalar:
        here = centre.get(name, label(domain.default))
        return here if generator.random() < KEPT else move(domain, here, generator)

    params = space.sample(suggest)
    for _ in range(ATTEMPTS):
        if params not in taken:
            break
        params = space.sample(suggest)
    return params


def move(domain: Domain, here: Scalar, generator: np.random.Generator) -> Scalar:
    """Another option of a choice, each alike; a number normally distributed around `here`, on the domain's scale.

    What would leave the range is reflected back into it. An integer moves by one step at least.
    """
    if isinstance(domain, Choice):
        others = [option for option in domain.labels if option != here] or [here]
        return others[int(generator.integers(len(others)))]
    assert isinstance(here, int | float)
    scale, back = (math.log, math.exp) if domain.log else (float, float)
    low, high = scale(domain.low), scale(domain.high)
    step = generator.normal(0, STEP * (high - low))
    moved = _nearest(domain, back(_reflected(scale(here) + step, low, high)))
    if isinstance(domain, Int) and moved == here:
        up = here + domain.step <= domain.high and (step > 0 or here == domain.low)
        return here + domain.step if up else here - domain.step
    return moved


def _reflected(value: float, low: float, high: float) -> float:
    value = low + abs(value - low)
    return max(high - abs(high - value), low)


def _nearest(domain: Domain, value: float) -> Scalar:
    """The number of `domain` that is nearest to `value`."""
    assert not isinstance(domain, Choice)
    if isinstance(domain, Float):
        return min(max(value, domain.low), domain.high)
    steps = round((value - domain.low) / domain.step)
    return min(max(domain.low + domain.step * steps, domain.low), domain.high)
