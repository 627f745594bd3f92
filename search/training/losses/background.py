"""What losses do about the background: penalties for confusing it, or leaving it out."""

from torch import Tensor

from search.training.losses.pixels import Prediction, Truth


def background_penalty(
    prediction: Prediction, truth: Truth, *, background: int, miss: float, false_alarm: float
) -> Tensor:
    """`miss` * mean of (1 - p0) over background pixels + `false_alarm` * mean of p0 over the other labelled pixels.

    p0 is the probability of the background. A mean over no pixels is 0.
    """
    probability = prediction.probabilities[:, background]
    is_background = truth.one_hot[:, background]
    is_foreground = truth.valid[:, 0] - is_background
    return miss * _mean(1 - probability, is_background) + false_alarm * _mean(probability, is_foreground)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)
