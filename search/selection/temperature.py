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
