"""Points of a space drawn at random, without a sampler."""

import math
from collections.abc import Sequence

import numpy as np

from spaces.domains import Choice, Domain, Float, Scalar, label
from spaces.space import Params, SearchSpace

KEPT = 0.5
"""Share of the parameters that `draw_near_default` leaves at their default."""

ATTEMPTS = 100


def draw_near_default(space: SearchSpace, generator: np.random.Generator, taken: Sequence[Params] = ()) -> Params:
    """A point whose every parameter is its default with probability `KEPT`, and otherwise drawn from its domain.

    None of `taken`, unless a hundred draws find nothing else: a small space may have no other point.
    """

    def suggest(_: str, domain: Domain) -> Scalar:
        return label(domain.default) if generator.random() < KEPT else draw(domain, generator)

    params = space.sample(suggest)
    for _ in range(ATTEMPTS):
        if params not in taken:
            break
        params = space.sample(suggest)
    return params


def draw(domain: Domain, generator: np.random.Generator) -> Scalar:
    """A value of `domain`, uniformly, on its own scale."""
    if isinstance(domain, Choice):
        return domain.labels[int(generator.integers(len(domain.labels)))]
    if domain.log:
        value = math.exp(generator.uniform(math.log(domain.low), math.log(domain.high)))
        nearest = value if isinstance(domain, Float) else round(value)
        return min(max(nearest, domain.low), domain.high)
    if isinstance(domain, Float):
        return float(generator.uniform(domain.low, domain.high))
    return domain.low + domain.step * int(generator.integers((domain.high - domain.low) // domain.step + 1))
