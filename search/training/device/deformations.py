"""Maps from the pixels of a deformed image to where they are taken from: x and y in pixels, each (n, H, W) float32.

Some are smaller and to be expanded. Definitions and conventions are those of albumentations 2.0.8.
"""

import numpy as np
import torch
from torch import Tensor

from search.training.amounts import ELASTIC_SIGMA, GRID_STEPS
from search.training.device.blur import blur, gaussian_kernels
from search.training.device.upload import upload

Map = tuple[Tensor, Tensor]


def pixels(size: tuple[int, int], device: torch.device) -> Map:
    """The map (1, W), (H, 1) of an image of `size` (height, width) that stays as it is."""
    height, width = size
    return torch.arange(width, device=device).float()[None, :], torch.arange(height, device=device).float()[:, None]


def elastic(noise: Tensor, amount: float) -> Map:
    """Displacements that are smooth noise (Simard et al. 2003); `noise` (n, 2, H, W) is standard normal.

    Each image's noise is divided by its largest number, smoothed, and multiplied by `amount` in pixels. As in the
    library, both fields are smoothed as one image, one above the other.
    """
    count, _, height, width = noise.shape
    fields = noise / noise.abs().amax((1, 2, 3), keepdim=True)
    radius = 4 * ELASTIC_SIGMA  # as OpenCV chooses it for floating point numbers
    kernel = upload(gaussian_kernels(np.array([ELASTIC_SIGMA]), np.array([radius])), noise.device)
    smooth = blur(fields.view(count, 2 * height, width), kernel.expand(count, -1), "replicate")
    across, down = (amount * smooth.view(count, 2, height, width)).unbind(1)
    x, y = pixels((height, width), noise.device)
    return x + across, y + down


def grid(columns: np.ndarray, rows: np.ndarray, size: tuple[int, int], device: torch.device) -> Map:
    """Cells of random widths (n, GRID_STEPS + 1) stretched to even ones: x (n, 1, W) and y (n, H, 1)."""
    x, y = _stretched(columns, size[1]), _stretched(rows, size[0])
    return upload(x, device)[:, None, :], upload(y, device)[:, :, None]


def _stretched(steps: np.ndarray, length: int) -> np.ndarray:
    """Where each pixel of an axis comes from, (n, length). The last pixel of a cell is where the next one begins."""
    cell = length // GRID_STEPS
    index = np.minimum(np.arange(length) // cell, GRID_STEPS)
    pixels_in = np.bincount(index, minlength=GRID_STEPS + 1)
    share = (np.arange(length) - index * cell) / np.maximum(pixels_in - 1, 1)[index]
    ends = np.cumsum(steps, axis=1)
    return (cell * ((ends - steps)[:, index] + steps[:, index] * share)).astype(np.float32)


def lens(coefficients: Tensor, size: tuple[int, int]) -> Map:
    """Radial distortion 1 + k r^2 + k r^4 (Brown 1966), k of `coefficients` (n,); r is 1 a whole width or height away.

    OpenCV's default centre of the result is (W - 1) / 2, where the library's camera has W / 2: an image moves by half a
    pixel even for k = 0.
    """
    height, width = size
    x, y = pixels(size, coefficients.device)
    across, down = (x - (width - 1) / 2) / width, (y - (height - 1) / 2) / height
    squared = across.square() + down.square()
    factor = 1 + coefficients[:, None, None] * (squared + squared.square())
    return width * (across * factor + 0.5), height * (down * factor + 0.5)


def project(matrices: Tensor, points: Map) -> Map:
    """`points` (n, H, W), or smaller, under homographies (n, 3, 3)."""
    x, y = points
    entries = matrices[..., None, None].unbind(1)
    across, down, depth = (row[:, 0] * x + row[:, 1] * y + row[:, 2] for row in entries)
    return across / depth, down / depth


def mirrored(points: Tensor, length: int) -> Tensor:
    """Coordinates brought into an axis of `length` pixels by mirroring at its first and last pixel (reflect 101)."""
    last = length - 1
    return last - (torch.remainder(points, 2 * last) - last).abs()
