"""Losses of the overlap between a class's truth and its soft prediction: Dice and Tversky.

Sums run over the whole batch, means over the classes that the batch holds. A rare class would otherwise count as a loss
of 0 or 1 (the libraries differ) in nearly every batch.
"""

from torch import Tensor

from search.training.losses.pixels import Prediction, Truth

EPSILON = 1e-6


def dice(prediction: Prediction, truth: Truth) -> Tensor:
    """Soft Dice loss, 1 - 2 sum(p y) / (sum(p) + sum(y)) a class (Milletari et al. 2016, linear denominator)."""
    overlap = _overlap(prediction, truth)
    total = _predicted_pixels(prediction, truth) + truth.class_pixels
    return truth.mean_over_present(1 - (2 * overlap + EPSILON) / (total + EPSILON))


def tversky(prediction: Prediction, truth: Truth, *, beta: float) -> Tensor:
    """Tversky loss, 1 - TP / (TP + (1 - beta) FP + beta FN) a class (Salehi et al. 2017, arXiv 1706.05721)."""
    overlap = _overlap(prediction, truth)
    false_positives = _predicted_pixels(prediction, truth) - overlap
    false_negatives = truth.class_pixels - overlap
    total = overlap + (1 - beta) * false_positives + beta * false_negatives
    return truth.mean_over_present(1 - (overlap + EPSILON) / (total + EPSILON))


def _overlap(prediction: Prediction, truth: Truth) -> Tensor:
    return (prediction.probabilities * truth.one_hot).sum((0, 2, 3))


def _predicted_pixels(prediction: Prediction, truth: Truth) -> Tensor:
    return (prediction.probabilities * truth.valid).sum((0, 2, 3))
