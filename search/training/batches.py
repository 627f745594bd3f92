"""The training batches of one trial: a pure function of the data, the configuration, the seed and the epoch.

Every random choice comes from a generator seeded by (seed, what for, epoch, batch). Epochs differ, a run repeats
itself in any process, and a trial resumed at an epoch needs no stored random state.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from search.data.samples import VOID, Samples, TrialData
from search.training.augmentation import build_augmentation
from search.training.mixing import classmix, copy_paste, cut_patches, cutmix
from spaces.config import AugmentConfig
from spaces.facts import DataFacts

MIXING_PROBABILITY = 0.5
"""Share of the batches that CutMix or ClassMix is applied to, as in the CutMix paper's ImageNet runs."""

_ORDER, _UNTOUCHED, _DRAWS, UNLABELLED = range(4)  # what a generator is for: keeps the streams of one seed apart


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Images (N, H, W, C) uint8 and masks (N, H, W) uint8 of class indices or `VOID`, and the weight of their loss."""

    images: np.ndarray
    masks: np.ndarray
    weight: float = 1.0


class TrainBatches:
    """The training part of `data` in shuffled, augmented batches of `batch_size`.

    An epoch has one entry for each training image, and `augment.oversample` of them for each image that holds the rare
    class (where the data has one). The last entries that fill no batch are left out of the epoch, as the batch
    statistics of a few images mislead; where there are fewer entries than `batch_size`, the batch is all of them.

    `augment.original_plus_augmented` joins the untouched and the augmented set, as in report 001, without making an
    epoch longer: half of the entries of an epoch are untouched, the other half augmented, and in the epoch after the
    other way round. Two epochs thus see the joined set once.
    """

    def __init__(self, data: TrialData, augment: AugmentConfig, *, batch_size: int, seed: int):
        self._samples, self._facts, self._augment, self._seed = data.train, data.facts, augment, seed
        self._entries = _entries(data.train, data.facts.rare_class, augment.oversample)
        self.batch_size = min(batch_size, len(self._entries))
        self._augmentation = build_augmentation(augment)
        rare = data.facts.rare_class
        self._patches = cut_patches(data.train, rare) if rare is not None and augment.copy_paste > 0 else []

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return len(self._entries) // self.batch_size

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of epoch number `epoch`, counted from 0."""
        order = generator_for(self._seed, _ORDER, epoch).permutation(len(self._entries))
        varied = self._varied(epoch)
        for step in range(self.steps):
            chosen = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield self._batch(self._entries[chosen], varied[chosen], generator_for(self._seed, _DRAWS, epoch, step))

    def _varied(self, epoch: int) -> np.ndarray:
        """Which entries (bool) are augmented in this epoch."""
        varied = np.ones(len(self._entries), bool)
        if self._augment.original_plus_augmented:
            order = generator_for(self._seed, _UNTOUCHED, epoch // 2).permutation(len(self._entries))
            varied[np.array_split(order, 2)[epoch % 2]] = False
        return varied

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
        return classmix(images, masks, generator, unpasted=_without_meaning(self._facts))


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


def to_tensor(images: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """Images (N, H, W, C) uint8 as float32 (N, C, H, W) in 0 to 1, in channels_last layout.

    Copied to `device` as bytes, a quarter of the traffic, and scaled there. Read-only arrays are welcome.
    """
    return torch.tensor(images).to(device, non_blocking=True).permute(0, 3, 1, 2) / 255


def to_target(masks: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """Masks (N, H, W) uint8 as int64 (N, H, W); `VOID` stays 255."""
    return torch.tensor(masks).to(device, non_blocking=True).long()


def _entries(samples: Samples, rare: int | None, oversample: int) -> np.ndarray:
    """Indices of the images of one epoch: each once, those that hold class `rare` `oversample` times."""
    indices = np.arange(len(samples))
    if rare is None or oversample == 1:
        return indices
    return np.repeat(indices, [oversample if (mask == rare).any() else 1 for mask in samples.masks])


def _without_meaning(facts: DataFacts) -> tuple[int, ...]:
    return facts.ignored if facts.background is None else (*facts.ignored, facts.background)


def generator_for(seed: int, *key: int) -> np.random.Generator:
    """A generator of its own for each `key`. (Plain seed sequences would not do: (1, 2) and (1, 2, 0) are one seed.)"""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
