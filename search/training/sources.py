"""Where the batches of a trial come from: augmented on the CPU and copied to the device, or made on the device."""

from collections.abc import Iterator
from typing import Protocol

import torch

from search.data.samples import TrialData
from search.training.batches import Batch, TrainBatches
from search.training.compute import Compute
from search.training.device import DeviceBatches, TensorBatch
from search.training.outcome import AugmentedOn
from spaces.config import TrialConfig


class BatchSource(Protocol):
    """Epochs of batches on the device of a trial."""

    @property
    def batch_size(self) -> int:
        """Images in a batch."""
        ...

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        ...

    def epoch(self, epoch: int) -> Iterator[TensorBatch]:
        """The batches of epoch number `epoch`, counted from 0."""
        ...


class UploadedBatches:
    """Batches that are made on the CPU, image by image, and copied to `device`."""

    def __init__(self, batches: TrainBatches, device: torch.device) -> None:
        self._batches, self._device = batches, device

    @property
    def batch_size(self) -> int:
        """Images in a batch."""
        return self._batches.batch_size

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self._batches.steps

    def epoch(self, epoch: int) -> Iterator[TensorBatch]:
        """The batches of epoch number `epoch`, counted from 0."""
        return (on_device(batch, self._device) for batch in self._batches.epoch(epoch))


def on_device(batch: Batch, device: torch.device) -> TensorBatch:
    """A copy of a batch on `device`: as bytes, a quarter of the traffic of numbers."""
    images = torch.tensor(batch.images).to(device, non_blocking=True).permute(0, 3, 1, 2)
    return TensorBatch(
        images=images, masks=torch.tensor(batch.masks).to(device, non_blocking=True), weight=batch.weight
    )


def augmented_on(data: TrialData, compute: Compute) -> AugmentedOn:
    """On a GPU, where all images have the training size, batches are made there; else on the CPU."""
    return "device" if compute.device.type == "cuda" and data.uniform else "cpu"


def build_source(config: TrialConfig, data: TrialData, device: torch.device, where: AugmentedOn) -> BatchSource:
    """The training batches that `config` asks for."""
    size, seed = config.optimizer.batch_size, config.seed
    if where == "device":
        return DeviceBatches(data, config.augment, batch_size=size, seed=seed, device=device)
    return UploadedBatches(TrainBatches(data, config.augment, batch_size=size, seed=seed), device)
