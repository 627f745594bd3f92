"""Choosing the members of an ensemble: forward selection with replacement (Caruana et al. 2004, ICML)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from search.training.metrics import confusion_matrix, mean_iou

ROUNDS = 12
"""Members at most, repetitions counted: each is a forward pass for those who use the ensemble."""


def greedy_ensemble(
    probabilities: Sequence[Tensor], truth: Tensor, classes: Sequence[int], *, rounds: int = ROUNDS
) -> tuple[list[int], float]:
    """How often each network is taken, and the mIoU of their mean over `classes`.

    In each round the network is added whose probabilities raise the mean's mIoU most, also one that is there already,
    of equal ones the least taken; of all rounds the first of the best value counts.

    Args:
        probabilities: (P, K) of the same pixels, from each network
        truth: class indices (P,) of these pixels
        classes: what the mean IoU averages
        rounds: members at most
    """
    total = torch.zeros_like(probabilities[0])
    counts, best_counts, best_value = [0] * len(probabilities), [], -1.0
    for _ in range(rounds):
        values = [pixel_miou(total + member, truth, classes) for member in probabilities]
        chosen = max(range(len(values)), key=lambda index: (values[index], -counts[index]))
        total += probabilities[chosen]
        counts[chosen] += 1
        if values[chosen] > best_value:
            best_counts, best_value = list(counts), values[chosen]
    return best_counts, best_value


def pixel_miou(scores: Tensor, truth: Tensor, classes: Sequence[int]) -> float:
    """Mean IoU over `classes` of scores (P, K), probabilities or logits, on pixels that all count."""
    predicted = scores.argmax(1)
    return mean_iou(confusion_matrix(predicted[None], truth[None], scores.shape[1]), classes)
