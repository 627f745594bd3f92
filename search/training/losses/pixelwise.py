"""Losses that are a mean over pixels: cross-entropy and focal. Class weights apply to these two.

Both are means over the labelled pixels of w_y * loss, as Keras computes them. (`torch.nn.CrossEntropyLoss(weight=...)`
divides by the sum of the weights instead, so that its scale changes with a batch's classes.)
"""

from torch import Tensor

from search.training.losses.pixels import Prediction, Truth, log_probability_of_truth


def cross_entropy(prediction: Prediction, truth: Truth, *, label_smoothing: float) -> Tensor:
    """Weighted cross-entropy with labels smoothed to (1 - s) * one-hot + s / K (Szegedy et al. 2016)."""
    log_likelihood = log_probability_of_truth(prediction, truth)
    if label_smoothing > 0:
        uniform = prediction.log_probabilities.mean(1)
        log_likelihood = (1 - label_smoothing) * log_likelihood + label_smoothing * uniform
    return truth.mean_over_pixels(-truth.pixel_weights * log_likelihood)


def focal(prediction: Prediction, truth: Truth, *, gamma: float) -> Tensor:
    """Softmax focal loss -w_y (1 - p_y)^gamma log p_y (Lin et al. 2017, arXiv 1708.02002).

    The libraries' multi-class focal losses are one-vs-all sigmoid losses, another function.
    """
    log_likelihood = log_probability_of_truth(prediction, truth)
    # The floor keeps the gradient of a power below 1 finite where a pixel is right beyond float32's resolution.
    miss = (-log_likelihood.expm1()).clamp(min=1e-7)
    return truth.mean_over_pixels(-truth.pixel_weights * miss.pow(gamma) * log_likelihood)
