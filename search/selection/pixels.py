"""What networks predict for the pixels that count in the validation part: enough of them to choose by."""

import math

import torch
from torch import Tensor, nn

from search.data.counts import pixel_counts
from search.data.samples import TrialData
from search.training.compute import Compute
from search.training.validation import validation_logits

MOST_VALUES = 2**22
"""Logits kept of a network: where there are more, every second, third, ... pixel that counts is kept."""


def pixel_stride(data: TrialData) -> int:
    """Every how manieth pixel that counts is kept."""
    counted = [index for index in range(data.facts.classes) if index not in data.facts.ignored]
    pixels = int(pixel_counts(data.validation.masks)[:, counted].sum())
    return max(1, math.ceil(pixels * data.facts.classes / MOST_VALUES))


@torch.no_grad()
def pixel_logits(model: nn.Module, data: TrialData, compute: Compute) -> tuple[Tensor, Tensor]:
    """Logits (P, K) float32 and truth (P,) of pixels of the validation part whose truth counts, on the CPU.

    They are spread evenly over the part, the same for every network.
    """
    stride, seen = pixel_stride(data), 0
    kept: list[tuple[Tensor, Tensor]] = []
    ignored = torch.tensor(data.facts.ignored, device=compute.device)
    for logits, truth in validation_logits(model, data, compute):
        counts = (truth < data.facts.classes) & ~torch.isin(truth, ignored)
        values, labels = logits.movedim(1, -1)[counts], truth[counts]
        chosen = slice(-seen % stride, None, stride)
        kept.append((values[chosen].float().cpu(), labels[chosen].long().cpu()))
        seen += len(labels)
    values, labels = zip(*kept, strict=True)
    return torch.cat(values), torch.cat(labels)
