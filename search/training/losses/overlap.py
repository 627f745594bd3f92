"""Losses of the overlap between a class's truth and its soft prediction: Dice, generalized Dice and Tversky.

Sums run over the whole batch, means over the classes that the batch holds. A rare class would otherwise count as a loss
of 0 or 1 (the libraries differ) in nearly every batch.
"""

from torch import Tensor

from search.training.losses.pixels import Prediction, Truth

EPSILON = 1e-6
GENERALIZED_DICE_CAP = 100.0
"""What the rarest class of a batch may weigh at most in generalized Dice, in weights of the most frequent one.

It is reached at a tenth of that one's pixels. Without it, a class of a few pixels would alone decide the gradient.
"""


def dice(prediction: Prediction, truth: Truth) -> Tensor:
    """Soft Dice loss, 1 - 2 sum(p y) / (sum(p) + sum(y)) a class (Milletari et al. 2016, linear denominator)."""
    overlap = _overlap(prediction, truth)
    total = _predicted_pixels(prediction, truth) + truth.class_pixels
    return truth.mean_over_present(1 - (2 * overlap + EPSILON) / (total + EPSILON))


def generalized_dice(prediction: Prediction, truth: Truth) -> Tensor:
    """Generalized Dice loss, 1 - 2 sum_c w_c sum(p y) / sum_c w_c (sum(p) + sum(y)) (Sudre et al. 2017).

    w_c is 1 / sum(y_c)^2 over the classes that the batch holds, at most `GENERALIZED_DICE_CAP` times the smallest.
    """
    frequency = truth.class_pixels.clamp(min=1) / truth.class_pixels.max().clamp(min=1)
    weights = frequency.pow(-2).clamp(max=GENERALIZED_DICE_CAP) * truth.present
    overlap = (weights * _overlap(prediction, truth)).sum()
    total = (weights * (_predicted_pixels(prediction, truth) + truth.class_pixels)).sum()
    return 1 - (2 * overlap + EPSILON) / (total + EPSILON)


def tversky(prediction: Prediction, truth: Truth, *, beta: float, exponent: float = 1.0) -> Tensor:
    """Tversky loss, 1 - TP / (TP + (1 - beta) FP + beta FN) a class (Salehi et al. 2017, arXiv 1706.05721).

    Each class's loss is raised to `exponent` (focal Tversky, Abraham and Khan 2019, arXiv 1810.07842).
    """
    overlap = _overlap(prediction, truth)
    false_positives = _predicted_pixels(prediction, truth) - overlap
    false_negatives = truth.class_pixels - overlap
    total = overlap + (1 - beta) * false_positives + beta * false_negatives
    losses = 1 - (overlap + EPSILON) / (total + EPSILON)
    if exponent != 1:
        # The floor keeps the gradient of a power below 1 finite where a class is right to the last pixel.
        losses = losses.clamp(min=EPSILON).pow(exponent)
    return truth.mean_over_present(losses)


def _overlap(prediction: Prediction, truth: Truth) -> Tensor:
    return (prediction.probabilities * truth.one_hot).sum((0, 2, 3))


def _predicted_pixels(prediction: Prediction, truth: Truth) -> Tensor:
    return (prediction.probabilities * truth.valid).sum((0, 2, 3))
