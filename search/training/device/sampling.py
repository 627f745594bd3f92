"""Images at places between their pixels."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


def as_places(x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
    """Places (n, H, W, 2) in an image of `size` (height, width) for `sample`: x and y in pixels, each (n, H, W)."""
    height, width = size
    return torch.stack((x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1), dim=-1)


def sample(images: Tensor, places: Tensor, mode: Literal["bilinear", "nearest"]) -> Tensor:
    """Images (n, C, H, W) uint8 at `places`, rounded to uint8. Outside they are mirrored at the edge (reflect 101).

    Places on a pixel give its value exactly: float32 errs by a few millionths of a pixel.
    """
    values = functional.grid_sample(images.float(), places, mode=mode, padding_mode="reflection", align_corners=True)
    return values.round_().to(torch.uint8)
