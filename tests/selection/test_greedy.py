"""Forward selection of an ensemble's members."""

from itertools import combinations_with_replacement

import torch
from torch import Tensor
from torch.nn import functional

from search.selection.greedy import greedy_ensemble, pixel_miou

TRUTH = torch.tensor([0, 0, 1, 1, 2, 2])
CLASSES = (0, 1, 2)


def surely(labels: list[int], confidence: float = 0.8) -> Tensor:
    one_hot = functional.one_hot(torch.tensor(labels), 3).float()
    return one_hot * confidence + (1 - one_hot) * (1 - confidence) / 2


def test_networks_that_err_elsewhere_beat_each_of_them() -> None:
    members = [surely([0, 0, 1, 1, 2, 0]), surely([0, 0, 1, 2, 2, 2]), surely([0, 1, 1, 1, 2, 2])]
    counts, value = greedy_ensemble(members, TRUTH, CLASSES)
    assert value == 1.0
    assert counts == [1, 1, 1]
    assert max(pixel_miou(member, TRUTH, CLASSES) for member in members) < 1


def test_one_that_is_better_than_any_mean_stays_alone() -> None:
    members = [surely(TRUTH.tolist(), 0.4), surely([1, 1, 0, 0, 0, 0], 0.9)]
    assert greedy_ensemble(members, TRUTH, CLASSES) == ([1, 0], 1.0)


def test_a_better_network_counts_more_where_that_helps() -> None:
    """Two timid networks against one bold one that is often wrong: it must be taken less often than the others."""
    good, bold = surely([0, 0, 1, 1, 2, 0], 0.6), surely([1, 1, 1, 0, 2, 2], 0.7)
    counts, value = greedy_ensemble([good, bold], TRUTH, CLASSES)
    best = max(
        pixel_miou(sum([good, bold][index] for index in chosen), TRUTH, CLASSES)
        for size in range(1, 5)
        for chosen in combinations_with_replacement(range(2), size)
    )
    assert value == best
    assert counts[0] > counts[1]


def test_it_is_never_worse_than_its_best_member_and_the_first_of_equals_is_taken() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 3, (200,), generator=generator)
    members = [torch.rand(200, 3, generator=generator).softmax(1) for _ in range(5)]
    counts, value = greedy_ensemble(members, truth, CLASSES, rounds=6)
    assert value >= max(pixel_miou(member, truth, CLASSES) for member in members)
    assert 1 <= sum(counts) <= 6
    assert greedy_ensemble([members[0]] * 3, truth, CLASSES)[0] == [1, 0, 0]
