"""Weight soups: the mean of several networks' weights as one network (Wortsman et al. 2022, ICML)."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def mean_weights(weights: Sequence[Weights]) -> dict[str, Tensor]:
    """The mean of each tensor over networks of one configuration; whole numbers, such as counters, are the first's."""
    return {
        name: torch.stack([other[name].float() for other in weights]).mean(0).to(tensor.dtype)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in weights[0].items()
    }


def greedy_soup(count: int, measure: Callable[[Sequence[int]], float], *, first: float) -> tuple[list[int], float]:
    """Which of `count` networks, best first, go into the soup, and what it reaches.

    A network stays in where `measure` of the soup with it is no less than without it. `first` is the value of the first
    network alone.
    """
    chosen, value = [0], first
    for index in range(1, count):
        tried = measure([*chosen, index])
        if tried >= value:
            chosen, value = [*chosen, index], tried
    return chosen, value
