"""The training batches of one trial on its device: a pure function of data, configuration, seed, epoch and device."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from search.data.samples import TrialData
from search.training.amounts import Amounts
from search.training.device.light import apply_light
from search.training.device.mixing import Mixing, classmix, cutmix
from search.training.device.noise import BatchNoise
from search.training.device.pasting import find_all_objects, paste
from search.training.device.plan import Plan, Stream, draw_plan, stream
from search.training.device.upload import upload
from search.training.device.warp import warp
from search.training.entries import Entries
from search.training.mixing import classes_without_meaning
from spaces.config import AugmentConfig

CHUNK_PIXELS = 2**22
"""Pixels that are augmented at once, 512 tiles of 64x128: enough that launching a GPU's kernels costs next to nothing,
and few enough that intermediate results (some 70 bytes a pixel, 10 more a channel) take a few hundred MB."""


@dataclass(frozen=True, kw_only=True)
class TensorBatch:
    """Images (N, C, H, W) uint8 and masks (N, H, W) uint8 of class indices or `VOID`, and the weight of their loss."""

    images: Tensor
    masks: Tensor
    weight: float = 1.0


class DeviceBatches:
    """The training part of `data`, held on `device`, in shuffled, augmented batches; `Entries` says what an epoch has.

    They are those of `search.training.batches.TrainBatches` in entries, order, shares and distributions; the draws are
    others. All images have the size at which networks train (`data.uniform`).
    """

    def __init__(
        self, data: TrialData, augment: AugmentConfig, *, batch_size: int, seed: int, device: torch.device
    ) -> None:
        self._facts, self._augment, self._seed, self._device = data.facts, augment, seed, device
        self._size = (data.facts.height, data.facts.width)
        images, masks = np.asarray(data.train.images), np.asarray(data.train.masks)
        assert masks.shape[1:] == self._size, f"images of {masks.shape[1:]} are not of the training size {self._size}"
        self._images = torch.tensor(images).permute(0, 3, 1, 2).contiguous().to(device)
        self._masks = torch.tensor(masks).to(device)
        self._entries = Entries(data, augment, batch_size=batch_size, seed=seed)
        self._rare = data.facts.rare_class if augment.copy_paste > 0 else None
        self._objects = None if self._rare is None else find_all_objects(masks, self._rare, device)

    @property
    def batch_size(self) -> int:
        """Images in a batch."""
        return self._entries.batch_size

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self._entries.steps

    def epoch(self, epoch: int) -> Iterator[TensorBatch]:
        """The batches of epoch number `epoch`, counted from 0."""
        shown, varied = self._entries.epoch(epoch)
        plan = draw_plan(self._augment, self._facts, self._objects, varied, seed=self._seed, epoch=epoch)
        elastic, sensor = (self._noise(epoch, what) for what in (Stream.ELASTIC_NOISE, Stream.SENSOR_NOISE))
        several = max(1, CHUNK_PIXELS // (self.batch_size * self._size[0] * self._size[1]))
        for first in range(0, self.steps, several):
            chunk = slice(first * self.batch_size, (first + several) * self.batch_size)
            images, masks = self._augmented(shown.ravel()[chunk], plan[chunk], elastic, sensor)
            for batch in zip(images.split(self.batch_size), masks.split(self.batch_size), strict=True):
                yield TensorBatch(images=batch[0], masks=batch[1])

    def _noise(self, epoch: int, what: Stream) -> BatchNoise:
        seed = int(stream(self._seed, epoch, what).integers(2**63))
        return BatchNoise(seed, self.batch_size, self._device)

    def _augmented(
        self, indices: np.ndarray, plan: Plan, elastic: BatchNoise, sensor: BatchNoise
    ) -> tuple[Tensor, Tensor]:
        """Training images `indices` (n,) of whole batches, with their masks, after all that `plan` says."""
        chosen = upload(indices, self._device)
        images, masks = self._images.index_select(0, chosen), self._masks.index_select(0, chosen)
        if plan.pasting is not None and self._objects is not None and self._rare is not None:
            images, masks = paste(images, masks, plan.pasting, self._objects, self._images, self._rare)
        fields = elastic.draw(plan.elastic_rows, (2, *self._size))
        images, masks = warp(images, masks, plan.geometry, fields, Amounts(self._augment.strength).elastic)
        images = apply_light(images, plan.light, sensor.draw(plan.noisy_rows, images.shape[1:]))
        return (images, masks) if plan.mixing is None else self._mixed(images, masks, plan.mixing)

    def _mixed(self, images: Tensor, masks: Tensor, mixing: Mixing) -> tuple[Tensor, Tensor]:
        if self._augment.mixing == "cutmix":
            return cutmix(images, masks, mixing)
        return classmix(images, masks, mixing, classes_without_meaning(self._facts))
