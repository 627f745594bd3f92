"""Weight soups."""

from collections.abc import Sequence

import torch

from search.selection.soup import greedy_soup, mean_weights


def test_the_mean_of_tensors_keeps_their_types_and_counters() -> None:
    first = {
        "weight": torch.tensor([1.0, 2.0]),
        "half": torch.tensor([1.0], dtype=torch.bfloat16),
        "seen": torch.tensor(7),
    }
    second = {
        "weight": torch.tensor([3.0, 6.0]),
        "half": torch.tensor([2.0], dtype=torch.bfloat16),
        "seen": torch.tensor(9),
    }
    mean = mean_weights([first, second])
    assert mean["weight"].tolist() == [2.0, 4.0]
    assert mean["half"].dtype == torch.bfloat16
    assert mean["half"].item() == 1.5
    assert mean["seen"].item() == 7


def test_a_network_stays_in_only_where_the_soup_is_no_worse() -> None:
    tried: list[Sequence[int]] = []

    def measure(members: Sequence[int]) -> float:
        tried.append(members)
        return {(0, 1): 0.4, (0, 2): 0.6, (0, 2, 3): 0.6}[tuple(members)]

    assert greedy_soup(4, measure, first=0.5) == ([0, 2, 3], 0.6)
    assert tried == [[0, 1], [0, 2], [0, 2, 3]]


def test_where_every_mean_is_worse_the_first_stays_alone() -> None:
    assert greedy_soup(3, lambda _: 0.1, first=0.5) == ([0], 0.5)
