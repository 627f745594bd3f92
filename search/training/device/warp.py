"""Motions and deformations, applied to images and masks by one interpolation."""

import numpy as np
import torch
from torch import Tensor

from search.training.device.deformations import Map, elastic, grid, lens, mirrored, pixels, project
from search.training.device.geometry import DEFORMATIONS, Deformation, Geometry
from search.training.device.sampling import as_places, sample
from search.training.device.upload import upload


def warp(images: Tensor, masks: Tensor, geometry: Geometry, noise: Tensor, elasticity: float) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) and masks (N, H, W), uint8, moved together as `geometry` says.

    `noise` (n, 2, H, W) is standard normal, for the n images with an elastic deformation of `elasticity` pixels. Image
    values are interpolated linearly and rounded, labels are those of the nearest pixel. Borders are mirrored (reflect
    101). Images that nothing happens to stay as they are, and mirrored ones are exact.
    """
    images, masks = _mirror(images, masks, geometry)
    rows = np.flatnonzero(geometry.warped)
    if not len(rows):
        return images, masks
    height, width = masks.shape[1:]
    x, y = source_places(geometry[rows], (height, width), noise, elasticity)
    places = as_places(x, y, (height, width))
    index = upload(rows, images.device)
    moved = sample(images.index_select(0, index), places, "bilinear")
    labels = sample(masks.index_select(0, index)[:, None], places, "nearest")[:, 0]
    return images.index_copy(0, index, moved), masks.index_copy(0, index, labels)


def source_places(geometry: Geometry, size: tuple[int, int], noise: Tensor, elasticity: float) -> Map:
    """Where each pixel is taken from: x and y in pixels, each (n, H, W) float32.

    A deformation looks at the moved image, with that image's mirrored border: so its places are brought inside before
    the motion leads on from there.
    """
    device, count = noise.device, len(geometry.moved)
    x, y = (line.repeat(count, 1, 1) for line in torch.broadcast_tensors(*pixels(size, device)))
    for kind in DEFORMATIONS:
        rows = np.flatnonzero(geometry.deformation == kind)
        if len(rows):
            across, down = _deformation(kind, geometry[rows], size, noise, elasticity)
            index, whole = upload(rows, device), (len(rows), *size)
            x.index_copy_(0, index, across.expand(whole))
            y.index_copy_(0, index, down.expand(whole))
    motions = np.where(geometry.moved[:, None, None], geometry.motions, np.eye(3))
    inside = mirrored(x, size[1]), mirrored(y, size[0])
    return project(upload(motions.astype(np.float32), device), inside)


def _deformation(kind: Deformation, geometry: Geometry, size: tuple[int, int], noise: Tensor, elasticity: float) -> Map:
    """The map of images that all have one kind of deformation."""
    device = noise.device
    match kind:
        case Deformation.ELASTIC:
            return elastic(noise, elasticity)
        case Deformation.GRID:
            return grid(geometry.columns, geometry.rows, size, device)
        case Deformation.LENS:
            return lens(upload(geometry.lens.astype(np.float32), device), size)
        case Deformation.PERSPECTIVE:
            return project(upload(geometry.tilts.astype(np.float32), device), pixels(size, device))
        case Deformation.NONE:
            return pixels(size, device)


def _mirror(images: Tensor, masks: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    for flipped, axis in ((geometry.across, -1), (geometry.down, -2)):
        if flipped.any():
            chosen = upload(flipped, images.device)
            images = torch.where(chosen[:, None, None, None], images.flip(axis), images)
            masks = torch.where(chosen[:, None, None], masks.flip(axis), masks)
    return images, masks
