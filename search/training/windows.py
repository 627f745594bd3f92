"""Prediction at native resolution for images whose size is not the training size: scaled, by overlapping windows."""

from collections.abc import Callable, Iterator
from typing import Protocol

import cv2
import numpy as np
import torch
from torch.nn import functional

from search.data.input_size import shrink
from search.training.batches import to_tensor


class Windows(Protocol):
    """What is asked of `DataFacts`, or of whatever else knows it: the size of a window in pixels, and its classes."""

    @property
    def height(self) -> int:
        """Of a window."""
        ...

    @property
    def width(self) -> int:
        """Of a window."""
        ...

    @property
    def classes(self) -> int:
        """Their number, the channels of the logits."""
        ...


def predict_native(
    forward: Callable[[torch.Tensor], torch.Tensor],
    image: np.ndarray,
    facts: Windows,
    *,
    scale: float = 1.0,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """The class index (H, W) uint8 of each pixel of a native image (H, W, C) uint8; arguments as in `native_logits`."""
    logits = native_logits(forward, image, facts, scale=scale, batch_size=batch_size, device=device)
    return logits.argmax(0).to(torch.uint8).cpu().numpy()


@torch.no_grad()
def native_logits(
    forward: Callable[[torch.Tensor], torch.Tensor],
    image: np.ndarray,
    facts: Windows,
    *,
    scale: float = 1.0,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Logits (K, H, W) float32 on `device` for a native image (H, W, C) uint8.

    The image is shrunk to `scale` (at most 1) times its size, padded by reflection to at least a window of
    (facts.height, facts.width), and cut into windows of that size that overlap by half. `forward` maps at most
    `batch_size` of them, (N, C, height, width) in 0 to 1, to logits (N, K, height, width). The weighted average of
    overlapping windows is brought back to the native size bilinearly.
    """
    scaled = shrink(image, scale, cv2.INTER_AREA)  # as training images were
    rows, columns = scaled.shape[:2]
    missing = (max(0, facts.height - rows), max(0, facts.width - columns))
    padded = np.pad(scaled, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")
    logits = _average_windows(forward, padded, facts, batch_size, device)[:, :rows, :columns]
    if scaled.shape == image.shape:
        return logits
    return functional.interpolate(logits[None], size=image.shape[:2], mode="bilinear", align_corners=False)[0]


def _average_windows(
    forward: Callable[[torch.Tensor], torch.Tensor],
    image: np.ndarray,
    facts: Windows,
    batch_size: int,
    device: torch.device | str,
) -> torch.Tensor:
    """Logits (K, H, W) of an image (H, W, C) no smaller than a window: the weighted mean over windows."""
    height, width = facts.height, facts.width
    weight = _weight(height, width).to(device)
    logits = torch.zeros(facts.classes, *image.shape[:2], device=device)
    weights = torch.zeros(image.shape[:2], device=device)
    corners = [(top, left) for top in _starts(image.shape[0], height) for left in _starts(image.shape[1], width)]
    for chunk in _chunks(corners, batch_size):
        windows = np.stack([image[top : top + height, left : left + width] for top, left in chunk])
        for (top, left), window in zip(chunk, forward(to_tensor(windows, device)).float(), strict=True):
            logits[:, top : top + height, left : left + width] += weight * window
            weights[top : top + height, left : left + width] += weight
    return logits / weights


def _starts(length: int, window: int) -> list[int]:
    """Where windows begin on an axis: evenly, at most half a window apart, flush with both ends."""
    surplus = length - window
    steps = -(-surplus // max(1, window // 2))
    return [round(surplus * step / steps) for step in range(steps + 1)] if steps else [0]


def _weight(height: int, width: int) -> torch.Tensor:
    """The product (height, width) of two triangles: least at the edge, where a network sees little around a pixel."""
    rise, run = (torch.minimum(torch.arange(1, n + 1), torch.arange(n, 0, -1)) / n for n in (height, width))
    return torch.outer(rise, run)


def _chunks(corners: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(corners), size):
        yield corners[start : start + size]
