"""Signed distance maps for the boundary loss, computed on the device."""

import math

import torch
from torch import Tensor

PIECE = 2**24
"""Numbers that are compared at once, 64 MB of them: so memory does not grow with batch, classes and size of images."""


def device_distance_maps(masks: Tensor, classes: int) -> Tensor:
    """Signed distances (N, K, H, W) float32 of `masks` (N, H, W) uint8, as fractions of the image's diagonal.

    They are those of `search.training.losses.distance_maps`: a class that is absent or fills the image has a map of 0,
    and a void pixel belongs to no class. The nearest pixel of another class is the nearest one of any other class, void
    included, so that one transform a class suffices for the distances outside of and inside of it.
    """
    labels = masks.clamp(max=classes)  # all that is no class counts as one
    regions = torch.stack([labels == label for label in range(classes + 1)], dim=1)
    squares = squared_distances(regions)
    nearest_other = squares.masked_fill(regions, torch.inf).amin(1, keepdim=True)
    inside = 1 - nearest_other.sqrt()
    maps = torch.where(regions, inside, squares.sqrt())[:, :classes]
    return maps.masked_fill_(maps.isinf(), 0) / math.hypot(*masks.shape[1:])


def squared_distances(regions: Tensor) -> Tensor:
    """Squared distance in pixels, float32, of each pixel to the nearest of its region; `regions` (N, K, H, W) bool.

    Infinite where the region is empty. Exact as long as squared diagonals are below 2^24: the nearest of each row by
    scanning it, then the least sum of squares over rows (Felzenszwalb and Huttenlocher 2012, compared one by one).
    """
    if regions.shape[-2] > regions.shape[-1]:  # rows are scanned, and the fewer of them are compared
        return squared_distances(regions.mT).mT
    planes = regions.flatten(0, 1)
    height, width = planes.shape[1:]
    squares = torch.empty(planes.shape, dtype=torch.float32, device=planes.device)
    rows = torch.arange(height, device=planes.device, dtype=torch.float32)
    apart = (rows[:, None] - rows).square()[..., None]  # (result's row, compared row, 1)
    several = max(1, PIECE // (height * height * width))
    some = max(1, PIECE // (several * height * width))
    for part, result in zip(planes.split(several), squares.split(several), strict=True):
        along = _along_rows(part).square_()[:, None]
        for lines, target in zip(apart.split(some), result.split(some, dim=1), strict=True):
            torch.amin(along + lines, dim=2, out=target)
    return squares.view(regions.shape)


def _along_rows(planes: Tensor) -> Tensor:
    """The distance of each pixel to the nearest True of its row, float32; infinite where there is none."""
    width = planes.shape[-1]
    places = torch.arange(width, device=planes.device, dtype=torch.float32).expand(planes.shape)
    before = places - places.masked_fill(~planes, -torch.inf).cummax(-1).values
    after = places.masked_fill(~planes, torch.inf).flip(-1).cummin(-1).values.flip(-1) - places
    return torch.minimum(before, after)
