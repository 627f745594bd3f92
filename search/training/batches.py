"""The training batches of one trial: a pure function of the data, the configuration, the seed and the epoch.

Every random choice comes from a generator seeded by (seed, what for, epoch, batch), as `entries` explains.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from search.data.samples import VOID, TrialData
from search.training.augmentation import build_augmentation
from search.training.entries import DRAWS, Entries, generator_for
from search.training.mixing import (
    MIXING_PROBABILITY,
    classes_without_meaning,
    classmix,
    copy_paste,
    cut_patches,
    cutmix,
)
from spaces.config import AugmentConfig

STATISTICS_IMAGES = 128
STATISTICS_BATCH = 32
"""Training images, and at most how many at once, that statistics of a network are measured on."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Images (N, H, W, C) uint8 and masks (N, H, W) uint8 of class indices or `VOID`, and the weight of their loss."""

    images: np.ndarray
    masks: np.ndarray
    weight: float = 1.0


class TrainBatches:
    """The training part of `data` in shuffled, augmented batches of `batch_size`; `Entries` says what an epoch has."""

    def __init__(self, data: TrialData, augment: AugmentConfig, *, batch_size: int, seed: int):
        self._samples, self._facts, self._augment, self._seed = data.train, data.facts, augment, seed
        self._entries = Entries(data, augment, batch_size=batch_size, seed=seed)
        self._augmentation = build_augmentation(augment)
        rare = data.facts.rare_class
        self._patches = cut_patches(data.train, rare) if rare is not None and augment.copy_paste > 0 else []

    @property
    def batch_size(self) -> int:
        """Images in a batch."""
        return self._entries.batch_size

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self._entries.steps

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of epoch number `epoch`, counted from 0."""
        for step, (indices, varied) in enumerate(zip(*self._entries.epoch(epoch), strict=True)):
            yield self._batch(indices, varied, generator_for(self._seed, DRAWS, epoch, step))

    def _batch(self, indices: np.ndarray, varied: np.ndarray, generator: np.random.Generator) -> Batch:
        self._augmentation.reseed(int(generator.integers(2**63)))
        pairs = [
            self._pair(index, vary, generator) for index, vary in zip(indices.tolist(), varied.tolist(), strict=True)
        ]
        images, masks = np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs])
        if self._augment.mixing != "none" and generator.random() < MIXING_PROBABILITY:
            images[varied], masks[varied] = self._mix(images[varied], masks[varied], generator)
        return Batch(images=images, masks=masks)

    def _pair(self, index: int, vary: bool, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One image and mask of the training size, augmented if `vary`."""
        size = (self._facts.height, self._facts.width)
        image, mask = fit(self._samples.images[index], self._samples.masks[index], size, generator)
        if not vary:
            return image, mask
        rare = self._facts.rare_class
        if rare is not None and self._patches and generator.random() < self._augment.copy_paste:
            image, mask = copy_paste(image, mask, self._patches, rare, generator)
        return self._augmentation(image, mask)

    def _mix(
        self, images: np.ndarray, masks: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        if self._augment.mixing == "cutmix":
            return cutmix(images, masks, generator)
        return classmix(images, masks, generator, unpasted=classes_without_meaning(self._facts))


def fit(
    image: np.ndarray, mask: np.ndarray, size: tuple[int, int], generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Bring image (H, W, C) and mask (H, W) to `size` (height, width): a random crop or, where smaller, padding.

    The image is padded by reflection and the mask by `VOID`, at a random place.
    """
    for axis, length in enumerate(size):
        surplus = mask.shape[axis] - length
        if surplus > 0:
            start = generator.integers(surplus + 1)
            image, mask = (array.take(range(start, start + length), axis) for array in (image, mask))
        elif surplus < 0:
            before = int(generator.integers(1 - surplus))
            width = [(0, 0)] * image.ndim
            width[axis] = (before, -surplus - before)
            image = np.pad(image, width, mode="reflect")
            mask = np.pad(mask, width[: mask.ndim], constant_values=VOID)
    return image, mask


def sample_batches(data: TrialData, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Training images (N, H, W, C) and masks (N, H, W) as they are, uint8, spread over the whole part.

    What statistics of a network are measured on. Batches have about one size: they count alike.
    """
    train, size = data.train, (data.facts.height, data.facts.width)
    chosen = np.linspace(0, len(train) - 1, min(len(train), STATISTICS_IMAGES)).astype(int)
    generator = np.random.default_rng(seed)
    for indices in np.array_split(chosen, math.ceil(len(chosen) / STATISTICS_BATCH)):
        pairs = [fit(train.images[index], train.masks[index], size, generator) for index in indices]
        images, masks = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
        yield images, masks


def to_tensor(images: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """Images (N, H, W, C) uint8 as float32 (N, C, H, W) in 0 to 1, with the strides of (N, H, W, C).

    Copied to `device` as bytes, a quarter of the traffic, and scaled there. Read-only arrays are welcome.
    """
    return torch.tensor(images).to(device, non_blocking=True).permute(0, 3, 1, 2) / 255


def to_target(masks: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """Masks (N, H, W) uint8 as int64 (N, H, W); `VOID` stays 255."""
    return torch.tensor(masks).to(device, non_blocking=True).long()
