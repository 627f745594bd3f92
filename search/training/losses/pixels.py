"""What all loss terms share: truth and prediction of one batch, each derived tensor computed once.

Pixels are masked by multiplication, never by boolean indexing: shapes stay fixed and no value travels to the host, so
that a training step can be captured as a CUDA graph. Everything here is float32.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Labels of one batch.

    `labels` (N, H, W) are class indices; a value that is no class, such as VOID, takes part in no term.
    `class_weights` (K,) has mean 1 over the classes that count.
    """

    labels: Tensor
    class_weights: Tensor

    @property
    def classes(self) -> int:
        """Number of classes K."""
        return len(self.class_weights)

    @cached_property
    def one_hot(self) -> Tensor:
        """(N, K, H, W) of 0 and 1; all zero at void pixels."""
        index = torch.arange(self.classes, device=self.labels.device, dtype=self.labels.dtype)
        return (self.labels.unsqueeze(1) == index.view(1, -1, 1, 1)).float()

    @cached_property
    def valid(self) -> Tensor:
        """(N, 1, H, W) of 0 and 1: whether a pixel is labelled."""
        return self.one_hot.sum(1, keepdim=True)

    @cached_property
    def valid_pixels(self) -> Tensor:
        """Number of labelled pixels, at least 1 so that it can divide."""
        return self.valid.sum().clamp(min=1)

    @cached_property
    def class_pixels(self) -> Tensor:
        """(K,) number of pixels of each class."""
        return self.one_hot.sum((0, 2, 3))

    @cached_property
    def present(self) -> Tensor:
        """(K,) of 0 and 1: whether the batch holds a class."""
        return (self.class_pixels > 0).float()

    @cached_property
    def pixel_weights(self) -> Tensor:
        """(N, H, W) weight of each pixel's class; 0 at void pixels."""
        return (self.one_hot * self.class_weights.view(1, -1, 1, 1)).sum(1)

    def mean_over_pixels(self, values: Tensor) -> Tensor:
        """Sum of `values` (N, H, W), 0 at void pixels, divided by the number of labelled pixels."""
        return values.sum() / self.valid_pixels

    def mean_over_present(self, values: Tensor) -> Tensor:
        """Mean of `values` (K,) over the classes that the batch holds; 0 if it holds none."""
        return (values * self.present).sum() / self.present.sum().clamp(min=1)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a network says of one batch; `logits` (N, K, H, W) of any floating type.

    With `one_vs_rest` each logit is one class against the rest: its probability is a sigmoid, not part of a softmax.
    """

    logits: Tensor
    one_vs_rest: bool = False

    @cached_property
    def log_probabilities(self) -> Tensor:
        """(N, K, H, W) log-softmax or log-sigmoid, in float32 and contiguous."""
        logits = self.logits.float().contiguous()
        return logsigmoid(logits) if self.one_vs_rest else log_softmax(logits, dim=1)

    @cached_property
    def log_complements(self) -> Tensor:
        """(N, K, H, W) log(1 - p) of the sigmoid p, in float32 and contiguous; for `one_vs_rest` only."""
        return logsigmoid(-self.logits.float().contiguous())

    @cached_property
    def probabilities(self) -> Tensor:
        """(N, K, H, W) softmax or sigmoid."""
        return self.log_probabilities.exp()


def log_probability_of_truth(prediction: Prediction, truth: Truth) -> Tensor:
    """(N, H, W) log-probability of each pixel's own class; 0 at void pixels."""
    return (prediction.log_probabilities * truth.one_hot).sum(1)
