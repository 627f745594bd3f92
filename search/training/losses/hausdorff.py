"""Hausdorff loss by distance transforms (Karimi et al. 2019, arXiv 1904.10030), in monai's form."""

import numpy as np
import torch
from torch import Tensor

from search.training.losses.distances import distances
from search.training.losses.pixels import Prediction, Truth


def hausdorff(prediction: Prediction, truth: Truth) -> Tensor:
    """Mean over labelled pixels and present classes of (p - y)^2 * (d(p)^2 + d(y)^2).

    d is the distance of a pixel to the nearest one on the other side of the class's boundary, as a fraction of the
    image's diagonal; the prediction's boundary is where p crosses 1/2, and d is no part of the gradient. Void pixels
    belong to no class, neither in the truth nor in the prediction. With every class present and no void pixel this is
    monai's `HausdorffDTLoss(include_background=True)` divided by the squared diagonal.

    Unlike other terms this one computes on the CPU, and waits for the prediction to arrive there.
    """
    predicted = prediction.probabilities * truth.valid
    squares = squared_distances(predicted > 0.5) + squared_distances(truth.one_hot > 0.5)
    values = ((predicted - truth.one_hot).square() * squares).sum((0, 2, 3)) / truth.valid_pixels
    return truth.mean_over_present(values)


def squared_distances(regions: Tensor) -> Tensor:
    """Squared distances (N, K, H, W) float32 to the other side of each of `regions` (N, K, H, W), booleans.

    Divided by the squared diagonal of the image. A region that is empty or fills the image has no boundary: 0.
    """
    height, width = regions.shape[-2:]
    planes = regions.cpu().numpy().reshape(-1, height, width)
    distances = np.stack([_distance(plane) for plane in planes]).reshape(regions.shape)
    return torch.from_numpy(distances).to(regions.device).square() / (height**2 + width**2)


def _distance(region: np.ndarray) -> np.ndarray:
    if region.all() or not region.any():
        return np.zeros(region.shape, np.float32)
    inside = region.astype(np.uint8)
    return distances(inside) + distances(1 - inside)
