"""Temperature scaling: one number by which logits are divided, so that probabilities mean what they say."""

import math

import torch
from scipy.optimize import OptimizeResult, minimize_scalar
from torch import Tensor
from torch.nn import functional

LARGEST = 10.0
"""Temperatures from 1 / 10 to 10 are tried."""


def fit_temperature(logits: Tensor, truth: Tensor) -> float:
    """The temperature with the least cross-entropy of logits (P, K) on class indices (P,) (Guo et al. 2017, ICML)."""

    def cross_entropy(log_temperature: float) -> float:
        return float(functional.cross_entropy(logits / math.exp(log_temperature), truth))

    bound = math.log(LARGEST)
    with torch.no_grad():
        found = minimize_scalar(cross_entropy, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-3})
    assert isinstance(found, OptimizeResult)
    return round(math.exp(float(found["x"])), 4)


def calibration_error(probabilities: Tensor, truth: Tensor, *, bins: int = 15) -> float:
    """The expected calibration error of probabilities (P, K) on class indices (P,): Naeini et al. 2015, equal bins."""
    confidence, predicted = probabilities.max(1)
    right = (predicted == truth).double()
    places = (confidence * bins).long().clamp(max=bins - 1)
    count = torch.bincount(places, minlength=bins).double()
    sums = [torch.bincount(places, weights=values.double(), minlength=bins) for values in (right, confidence)]
    return float((sums[0] - sums[1]).abs().sum() / count.sum())
