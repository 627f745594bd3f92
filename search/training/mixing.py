"""Mixing of training images: CutMix, ClassMix, and copy-paste of the rare class. Labels are pasted, never blended."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from search.data.samples import VOID, Samples
from spaces.facts import DataFacts

MIXING_PROBABILITY = 0.5
"""Share of the batches that CutMix or ClassMix is applied to, as in the CutMix paper's ImageNet runs."""

SMALLEST_PATCH = 4
"""Components of fewer pixels than this are label noise more often than objects; they are not copied."""

PATCH_SCALE = (0.7, 1.4)
"""Range of the random size of a pasted object, relative to the one it was copied from."""


def cutmix(images: np.ndarray, masks: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Replace a rectangle of each image and mask by the same rectangle of another (Yun et al. 2019).

    Takes and returns images (N, H, W, C) and masks (N, H, W). Each image draws its own lambda ~ U(0, 1) and a rectangle
    of area 1 - lambda with the image's aspect, wholly inside it. A batch of one image has no partner and stays as is.
    """
    partners = _partners(len(images), generator)
    height, width = masks.shape[1:]
    pasted = np.zeros(masks.shape, bool)
    for row in range(len(images)):
        side = np.sqrt(1 - generator.random())
        tall, wide = round(height * side), round(width * side)
        top, left = generator.integers(0, height - tall + 1), generator.integers(0, width - wide + 1)
        pasted[row, top : top + tall, left : left + wide] = True
    return _paste(images, masks, partners, pasted)


def classmix(
    images: np.ndarray, masks: np.ndarray, generator: np.random.Generator, unpasted: Sequence[int] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Paste the pixels of half the classes of another image, rounded up, with their labels (Olsson et al. 2021).

    Takes and returns images (N, H, W, C) and masks (N, H, W). `VOID` and the classes in `unpasted` are never chosen:
    the background and classes without meaning would cover labels by pixels that say nothing. An image that holds
    nothing else pastes nothing. Rounded up, as in DACS (Tranheden et al. 2021), images of one class still take part.
    """
    partners = _partners(len(images), generator)
    pasted = np.zeros(masks.shape, bool)
    for row, partner in enumerate(partners):
        classes = np.setdiff1d(np.unique(masks[partner]), [VOID, *unpasted])
        chosen = generator.permutation(classes)[: (len(classes) + 1) // 2]
        pasted[row] = np.isin(masks[partner], chosen)
    return _paste(images, masks, partners, pasted)


def classes_without_meaning(facts: DataFacts) -> tuple[int, ...]:
    """The ignored classes and the background: what ClassMix never pastes."""
    return facts.ignored if facts.background is None else (*facts.ignored, facts.background)


def _partners(count: int, generator: np.random.Generator) -> np.ndarray:
    """For each of `count` images the index of another one: a random cycle, so that each image is used once."""
    cycle = generator.permutation(count)
    partners = np.empty(count, np.intp)
    partners[cycle] = np.roll(cycle, 1)
    return partners


def _paste(
    images: np.ndarray, masks: np.ndarray, partners: np.ndarray, pasted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The partner's image and mask where `pasted` (N, H, W), the own ones elsewhere."""
    return np.where(pasted[..., None], images[partners], images), np.where(pasted, masks[partners], masks)


@dataclass(frozen=True, kw_only=True)
class Patch:
    """An object cut out with a pixel around it: image (h, w, C) uint8 and where the object is, (h, w) uint8 0 or 1."""

    image: np.ndarray
    where: np.ndarray


def cut_patches(samples: Samples, label: int) -> list[Patch]:
    """Every connected component of class `label` in `samples` with at least `SMALLEST_PATCH` pixels."""
    return [
        patch
        for image, mask in zip(samples.images, samples.masks, strict=True)
        if (mask == label).any()
        for patch in _components(image, (mask == label).astype(np.uint8))
    ]


def _components(image: np.ndarray, where: np.ndarray) -> list[Patch]:
    components, found = find_objects(where)
    patches = []
    for index, top, left, tall, wide in found:
        box = slice(top, top + tall), slice(left, left + wide)
        patches.append(Patch(image=image[box], where=(components[box] == index).astype(np.uint8)))
    return patches


def find_objects(where: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int, int, int, int]]]:
    """The connected components (H, W) int32 of `where` (H, W) uint8, and those of at least `SMALLEST_PATCH` pixels.

    Of each its number in the components, and top, left, height and width of its box with a pixel around it, as far as
    the image goes.
    """
    count, components, boxes, _ = cv2.connectedComponentsWithStats(where, connectivity=8)
    height, width = where.shape
    found = []
    for index in range(1, count):  # component 0 is everything else
        left, top, wide, tall, area = boxes[index].tolist()
        if area >= SMALLEST_PATCH:
            first, before = max(top - 1, 0), max(left - 1, 0)
            last, after = min(top + tall + 1, height), min(left + wide + 1, width)
            found.append((index, first, before, last - first, after - before))
    return components, found


def copy_paste(
    image: np.ndarray, mask: np.ndarray, patches: Sequence[Patch], label: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paste one of `patches` somewhere into a copy of `image` (H, W, C) and `mask` (H, W) (Ghiasi et al. 2021).

    The object is mirrored with an even chance and scaled by a factor from `PATCH_SCALE`, made smaller where it would
    not fit. Its outline is feathered over a pixel, so that a network cannot find objects by their cut edges.
    """
    patch = patches[int(generator.integers(len(patches)))]
    if generator.random() < 0.5:
        patch = Patch(image=patch.image[:, ::-1], where=patch.where[:, ::-1])
    patch = _resize(patch, generator.uniform(*PATCH_SCALE), mask.shape)
    tall, wide = patch.where.shape
    top = generator.integers(0, mask.shape[0] - tall + 1)
    left = generator.integers(0, mask.shape[1] - wide + 1)
    region = (slice(top, top + tall), slice(left, left + wide))
    image, mask = image.copy(), mask.copy()
    opacity = cv2.blur(patch.where.astype(np.float32), (3, 3), borderType=cv2.BORDER_REPLICATE)[..., None]
    image[region] = np.rint(opacity * patch.image + (1 - opacity) * image[region])
    mask[region][patch.where > 0] = label
    return image, mask


def _resize(patch: Patch, factor: float, limit: tuple[int, ...]) -> Patch:
    """`patch` scaled by `factor`, or by less where it would exceed `limit` (height, width)."""
    tall, wide = patch.where.shape
    factor = min(factor, limit[0] / tall, limit[1] / wide)
    size = (max(1, int(wide * factor)), max(1, int(tall * factor)))  # OpenCV's order: width first
    image = cv2.resize(np.ascontiguousarray(patch.image), size, interpolation=cv2.INTER_LINEAR)
    where = cv2.resize(np.ascontiguousarray(patch.where), size, interpolation=cv2.INTER_NEAREST)
    return Patch(image=image.reshape(*where.shape, -1), where=where)
