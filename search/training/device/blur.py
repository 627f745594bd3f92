"""Gaussian blur with a kernel for each plane, along one axis after the other."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def gaussian_kernels(sigmas: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Kernels (n, 2 R + 1) float32 of `sigmas` (n,) in pixels, each cut off at its radius (n,) of at most R, sum 1."""
    offsets = np.arange(-radii.max(), radii.max() + 1)
    kernels = np.exp(-0.5 * (offsets / sigmas[:, None]) ** 2) * (np.abs(offsets) <= radii[:, None])
    return (kernels / kernels.sum(1, keepdims=True)).astype(np.float32)


def blur(planes: Tensor, kernels: Tensor, border: str) -> Tensor:
    """Convolve each of `planes` (n, H, W) float32 by its kernel of `kernels` (n, taps) along both axes.

    `border` is one of `torch.nn.functional.pad`: `replicate`, or `reflect`, which mirrors without the edge (reflect
    101). A plane is a channel of its own, as grouped convolutions are fast on CPUs and GPUs alike.
    """
    radius = kernels.shape[1] // 2
    padded = functional.pad(planes[None], (radius, radius, radius, radius), mode=border)
    across = torch.conv2d(padded, kernels[:, None, None, :], groups=len(planes))
    return torch.conv2d(across, kernels[:, None, :, None], groups=len(planes))[0]
