"""CutMix and ClassMix of whole chunks of batches, as `search.training.mixing` does them. Partners share a batch."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from search.training.device.tables import look_up
from search.training.device.upload import upload
from search.training.mixing import MIXING_PROBABILITY


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """What is pasted into n images of batches of one size.

    - `mixed` (n,) bool: whether anything is.
    - `partners` (n,): the image it comes from, by how far after the own one it lies (negative: before).
    - `rectangles` (n, 4): CutMix's: top, left, height and width in pixels.
    - `order` (n, K): random numbers; ClassMix takes the classes with the lowest ones.
    """

    mixed: np.ndarray
    partners: np.ndarray
    rectangles: np.ndarray
    order: np.ndarray

    def __getitem__(self, part: slice) -> Self:
        return type(self)(
            mixed=self.mixed[part],
            partners=self.partners[part],
            rectangles=self.rectangles[part],
            order=self.order[part],
        )


def draw_mixing(varied: np.ndarray, size: tuple[int, int], classes: int, generator: np.random.Generator) -> Mixing:
    """The mixing of batches whose images may take part where `varied` (steps, batch_size) bool.

    Each image draws its own lambda ~ U(0, 1) and a rectangle of area 1 - lambda with the image's aspect, wholly inside.
    """
    mixed = varied & (generator.random((len(varied), 1)) < MIXING_PROBABILITY)
    partners = _next_in_cycle(varied, generator) - np.arange(varied.shape[1])
    sides = np.sqrt(1 - generator.random((varied.size, 1)))
    lengths = np.rint(size * sides).astype(int)
    starts = generator.integers(0, np.array(size) - lengths + 1)
    return Mixing(
        mixed=mixed.ravel(),
        partners=partners.ravel(),
        rectangles=np.hstack((starts, lengths)),
        order=generator.random((varied.size, classes)),
    )


def _next_in_cycle(varied: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """For each image of a batch that is `varied` another one of these: a random cycle, so that each is used once."""
    cycle = np.argsort(np.where(varied, generator.random(varied.shape), np.inf), axis=1)  # the varied ones come first
    places = np.arange(varied.shape[1])
    before = np.where(places == 0, np.maximum(varied.sum(1, keepdims=True), 1) - 1, places - 1)
    partners = np.empty_like(cycle)
    np.put_along_axis(partners, cycle, np.take_along_axis(cycle, before, axis=1), axis=1)
    return partners


def cutmix(images: Tensor, masks: Tensor, mixing: Mixing) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) and masks (N, H, W) with a rectangle of another image in each that is `mixed`."""
    rows = np.flatnonzero(mixing.mixed)
    if not len(rows):
        return images, masks
    device, (height, width) = masks.device, masks.shape[1:]
    top, left, tall, wide = upload(mixing.rectangles[rows], device)[..., None].unbind(1)
    y, x = torch.arange(height, device=device), torch.arange(width, device=device)
    inside = ((y >= top) & (y < top + tall))[:, :, None] & ((x >= left) & (x < left + wide))[:, None, :]
    return _paste(images, masks, mixing, inside)


def classmix(images: Tensor, masks: Tensor, mixing: Mixing, unpasted: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) and masks (N, H, W) with half the classes of another image in each that is `mixed`.

    Classes in `unpasted` and `VOID` are never chosen.
    """
    rows = np.flatnonzero(mixing.mixed)
    if not len(rows):
        return images, masks
    order = mixing.order[rows]
    order[:, list(unpasted)] = np.inf
    partners = masks.index_select(0, upload(rows + mixing.partners[rows], masks.device))
    chosen = _half_of_classes(partners, upload(order.astype(np.float32), masks.device))
    return _paste(images, masks, mixing, look_up(chosen, partners))


def _half_of_classes(masks: Tensor, order: Tensor) -> Tensor:
    """Which classes are chosen: (n, 256) bool, those of masks (n, H, W) with the lowest `order` (n, K), inf for never.

    Half of those that are there, rounded up.
    """
    there = torch.stack([(masks == label).flatten(1).any(1) for label in range(order.shape[1])], dim=1)
    there &= order.isfinite()
    places = order.masked_fill(~there, torch.inf).argsort(1).argsort(1)
    chosen = there & (places < (there.sum(1, keepdim=True) + 1) // 2)
    return functional.pad(chosen, (0, 256 - order.shape[1]))


def _paste(images: Tensor, masks: Tensor, mixing: Mixing, pasted: Tensor) -> tuple[Tensor, Tensor]:
    """The partner's image and mask where `pasted` (n, H, W) of the n images that are mixed, the own ones elsewhere."""
    rows = np.flatnonzero(mixing.mixed)
    own, other = upload(rows, masks.device), upload(rows + mixing.partners[rows], masks.device)
    mixed_images = torch.where(pasted[:, None], images.index_select(0, other), images.index_select(0, own))
    mixed_masks = torch.where(pasted, masks.index_select(0, other), masks.index_select(0, own))
    return images.index_copy(0, own, mixed_images), masks.index_copy(0, own, mixed_masks)
