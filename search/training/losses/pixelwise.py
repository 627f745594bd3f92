"""Losses that are a mean over pixels: cross-entropy and focal. Class weights apply to these two.

Both are means over the labelled pixels of w_y * loss, as Keras computes them. (`torch.nn.CrossEntropyLoss(weight=...)`
divides by the sum of the weights instead, so that its scale changes with a batch's classes.)

One against the rest, each is the sum over classes of w_c times the binary loss of class c, of the pixels that are c and
of those that are not.
"""

import torch
from torch import Tensor

from search.training.losses.pixels import Prediction, Truth, log_probability_of_truth


def cross_entropy(prediction: Prediction, truth: Truth, *, label_smoothing: float) -> Tensor:
    """Weighted cross-entropy with labels smoothed to (1 - s) * one-hot + s / K (Szegedy et al. 2016).

    One against the rest: binary cross-entropies with labels smoothed to (1 - s) * y + s / 2.
    """
    if prediction.one_vs_rest:
        target = (1 - label_smoothing) * truth.one_hot + label_smoothing / 2
        log_likelihoods = target * prediction.log_probabilities + (1 - target) * prediction.log_complements
        return _mean_over_pixels_of_classes(-log_likelihoods, truth)
    log_likelihood = log_probability_of_truth(prediction, truth)
    if label_smoothing > 0:
        uniform = prediction.log_probabilities.mean(1)
        log_likelihood = (1 - label_smoothing) * log_likelihood + label_smoothing * uniform
    return truth.mean_over_pixels(-truth.pixel_weights * log_likelihood)


def focal(prediction: Prediction, truth: Truth, *, gamma: float) -> Tensor:
    """Softmax focal loss -w_y (1 - p_y)^gamma log p_y (Lin et al. 2017, arXiv 1708.02002).

    The libraries' multi-class focal losses are one-vs-all sigmoid losses, another function: one against the rest, this
    is theirs, without alpha.
    """
    if prediction.one_vs_rest:
        log_likelihoods = torch.where(truth.one_hot > 0, prediction.log_probabilities, prediction.log_complements)
        return _mean_over_pixels_of_classes(_focal_of(log_likelihoods, gamma), truth)
    return truth.mean_over_pixels(truth.pixel_weights * _focal_of(log_probability_of_truth(prediction, truth), gamma))


def _focal_of(log_likelihood: Tensor, gamma: float) -> Tensor:
    # The floor keeps the gradient of a power below 1 finite where a pixel is right beyond float32's resolution.
    miss = (-log_likelihood.expm1()).clamp(min=1e-7)
    return -miss.pow(gamma) * log_likelihood


def _mean_over_pixels_of_classes(values: Tensor, truth: Truth) -> Tensor:
    """Weighted sum over classes of `values` (N, K, H, W), mean over labelled pixels."""
    return truth.mean_over_pixels((values * truth.class_weights.view(1, -1, 1, 1)).sum(1) * truth.valid[:, 0])
