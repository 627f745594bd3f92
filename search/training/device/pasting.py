"""Copy-paste of the rare class, straight from the training images on the device."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from search.training.device.sampling import as_places, sample
from search.training.device.upload import upload
from search.training.mixing import PATCH_SCALE, find_objects


@dataclass(frozen=True, kw_only=True)
class Objects:
    """All objects of the rare class. Boxes have a pixel around the object, as far as its image goes.

    - `components` (M, H, W) int32 on the device: the connected components of the M images that hold the class.
    - `images` (n,): the training image of each object; `maps` (n,): which map of components is of this image.
    - `numbers` (n,): its number in that map.
    - `boxes` (n, 4): top, left, height and width in pixels.
    """

    components: Tensor
    images: np.ndarray
    maps: np.ndarray
    numbers: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def find_all_objects(masks: np.ndarray, label: int, device: torch.device) -> Objects:
    """The objects of class `label` in masks (N, H, W): those that `search.training.mixing.cut_patches` cuts out."""
    maps, found = [np.zeros((0, *masks.shape[1:]), np.int32)], []
    for place, image in enumerate(np.flatnonzero((masks == label).any((1, 2)))):
        components, objects = find_objects((masks[image] == label).astype(np.uint8))
        found += [(image, place, *numbers) for numbers in objects]
        maps.append(components[None])
    table = np.array(found, int).reshape(-1, 7)
    return Objects(
        components=torch.from_numpy(np.concatenate(maps)).to(device),
        images=table[:, 0],
        maps=table[:, 1],
        numbers=table[:, 2],
        boxes=table[:, 3:],
    )


@dataclass(frozen=True, kw_only=True)
class Pasting:
    """What is pasted into n images.

    - `pasted` (n,) bool: whether anything is; `objects` (n,): which object; `mirrored` (n,) bool: left to right.
    - `regions` (n, 4): where its box comes to lie: top, left, height and width in pixels.
    """

    pasted: np.ndarray
    objects: np.ndarray
    mirrored: np.ndarray
    regions: np.ndarray

    def __getitem__(self, part: slice | np.ndarray) -> Self:
        return type(self)(
            pasted=self.pasted[part],
            objects=self.objects[part],
            mirrored=self.mirrored[part],
            regions=self.regions[part],
        )


def draw_pasting(
    objects: Objects, size: tuple[int, int], pasted: np.ndarray, generator: np.random.Generator
) -> Pasting:
    """What is pasted into images of `size` (height, width) where `pasted` (n,) bool.

    An object is scaled by a factor from `PATCH_SCALE`, made smaller where it would not fit, and lies wholly inside.
    """
    count = len(pasted)
    chosen = generator.integers(len(objects), size=count)
    boxes = objects.boxes[chosen, 2:]
    factors = np.minimum(generator.uniform(*PATCH_SCALE, count), (size / boxes).min(1))
    lengths = np.maximum(1, (boxes * factors[:, None]).astype(int))
    mirrored = generator.random(count) < 0.5
    starts = generator.integers(0, np.array(size) - lengths + 1)
    return Pasting(pasted=pasted, objects=chosen, mirrored=mirrored, regions=np.hstack((starts, lengths)))


def paste(
    images: Tensor, masks: Tensor, pasting: Pasting, objects: Objects, source: Tensor, label: int
) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) and masks (N, H, W), uint8, with objects of class `label` cut from the images `source`.

    The outline is feathered over a pixel, so that a network cannot find objects by their cut edges.
    """
    rows = np.flatnonzero(pasting.pasted)
    if not len(rows):
        return images, masks
    device, (height, width) = images.device, masks.shape[1:]
    here = pasting[rows]
    index, mirrored = upload(rows, device), upload(here.mirrored, device)
    regions, boxes = upload(here.regions, device), upload(objects.boxes[here.objects], device)
    down = _Axis.of(height, regions[:, 0::2], boxes[:, 0::2], torch.zeros_like(mirrored))
    across = _Axis.of(width, regions[:, 1::2], boxes[:, 1::2], mirrored)
    inside = down.inside[:, :, None] & across.inside[:, None, :]
    where = _outlines(here.objects, objects, down.nearest, across.nearest)
    opacity = functional.avg_pool2d(functional.pad(where.float(), (1, 1, 1, 1), mode="replicate"), 3, stride=1) * inside
    x, y = torch.broadcast_tensors(across.between[:, None, :], down.between[:, :, None])
    cut_from = source.index_select(0, upload(objects.images[here.objects], device))
    above = sample(cut_from, as_places(x, y, (height, width)), "bilinear").float()
    blended = torch.lerp(images.index_select(0, index).float(), above, opacity[:, None]).round_()
    labels = masks.index_select(0, index).masked_fill(inside & where, label)
    return images.index_copy(0, index, blended.to(torch.uint8)), masks.index_copy(0, index, labels)


def _outlines(chosen: np.ndarray, objects: Objects, y: Tensor, x: Tensor) -> Tensor:
    """Whether each of the `chosen` objects (n,) is at rows `y` (n, H) and columns `x` (n, W): (n, H, W) bool."""
    maps, numbers = upload(np.stack((objects.maps[chosen], objects.numbers[chosen])), x.device)
    height, width = objects.components.shape[1:]
    places = ((maps[:, None] * height + y) * width)[:, :, None] + x[:, None, :]
    found = objects.components.flatten().index_select(0, places.flatten()).view(places.shape)
    return found == numbers[:, None, None]


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """One axis of n images that objects are pasted into, each (n, length); OpenCV's conventions of resizing.

    - `inside`: whether a pixel lies in the region. Outside of it the other two are those of its nearest pixel.
    - `nearest`: the pixel of the source, and `between`: the place in it, in pixels, that a pixel is taken from.
    """

    inside: Tensor
    nearest: Tensor
    between: Tensor

    @classmethod
    def of(cls, length: int, regions: Tensor, boxes: Tensor, mirrored: Tensor) -> Self:
        """`regions` and `boxes` (n, 2): first pixel and length. `mirrored` (n,): whether a box is read backwards."""
        start, region = regions[:, :1], regions[:, 1:]
        first, box = boxes[:, :1], boxes[:, 1:]
        place = torch.arange(length, device=regions.device) - start
        inside = (place >= 0) & (place < region)
        place = place.clamp(min=0).minimum(region - 1)
        nearest = torch.div(place * box, region, rounding_mode="floor")
        between = ((place + 0.5) * box / region - 0.5).clamp(min=0).minimum(box - 1)
        backwards = mirrored[:, None]
        return cls(
            inside=inside,
            nearest=first + torch.where(backwards, box - 1 - nearest, nearest),
            between=first + torch.where(backwards, box - 1 - between, between),
        )
