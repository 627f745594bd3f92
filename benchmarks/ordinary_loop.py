"""The training loop that a good user of torch and albumentations writes: what ours is measured against.

A DataLoader with persistent workers, albumentations image by image, float32, eager. Network, loss, optimizer, schedule
and transforms are the trial's own, so that only the loop differs. It has no mixing of images, no copy-paste, no
oversampling and no pseudo-labels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
import torch
from timm.utils.model_ema import ModelEmaV2
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, get_worker_info

from models.build import build_model
from search.data.samples import Samples, TrialData
from search.training.augmentation import build_augmentation
from search.training.compute import default_device
from search.training.losses import build_loss, distance_maps
from search.training.optimizers import build_optimizer, use_averaged_weights, use_trained_weights
from search.training.schedules import Schedule
from spaces.config import AugmentConfig, TrialConfig


class Tiles(Dataset[tuple[Tensor, Tensor]]):
    """Images (C, H, W) float32 in 0 to 1 and masks (H, W) int64, augmented one by one where `augment` is given."""

    def __init__(self, samples: Samples, augment: AugmentConfig | None = None) -> None:
        self.samples = samples
        self.augmentation = None if augment is None else build_augmentation(augment)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, mask = np.array(self.samples.images[index]), np.array(self.samples.masks[index])
        if self.augmentation is not None:
            image, mask = self.augmentation(image, mask)
        return torch.from_numpy(image).permute(2, 0, 1) / 255, torch.from_numpy(mask).long()


def reseed_worker(_: int) -> None:
    """Give each worker draws of its own: albumentations would draw the same ones in all."""
    information = get_worker_info()
    assert information is not None, "called by a DataLoader in its workers"
    dataset = information.dataset
    assert isinstance(dataset, Tiles)
    if dataset.augmentation is not None:
        dataset.augmentation.reseed(information.seed)


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What a user tunes before the first long training."""

    workers: int
    batch_size: int


class OrdinaryLoop:
    """One network in training. `train_epoch` gives the mean loss, `validate` the mean IoU over the objective."""

    def __init__(self, config: TrialConfig, data: TrialData, tuning: Tuning) -> None:
        self.data, self.device = data, default_device()
        torch.manual_seed(config.seed)
        self.model = build_model(config.model).to(self.device)
        self.loss = build_loss(
            config.loss,
            data.facts,
            deep_supervision=config.model.auxiliary_weight,
            one_vs_rest=config.model.one_vs_rest,
        ).to(self.device)
        self.optimizer = build_optimizer(config.optimizer, self.model)
        decay = config.optimizer.ema_decay
        self.average = None if decay is None else ModelEmaV2(self.model, decay=decay)
        shared = {
            "num_workers": tuning.workers,
            "persistent_workers": tuning.workers > 0,
            "multiprocessing_context": "fork" if tuning.workers else None,  # Linux' default, which arms do not inherit
            "pin_memory": self.device.type == "cuda",
            "worker_init_fn": reseed_worker,
        }
        self.train_loader = DataLoader(
            Tiles(data.train, config.augment), tuning.batch_size, shuffle=True, drop_last=True, **shared
        )
        self.validation_loader = DataLoader(Tiles(data.validation), tuning.batch_size, **shared)
        self.schedule = Schedule(
            config.optimizer, max_epochs=config.budget.max_epochs, updates_per_epoch=len(self.train_loader)
        )
        self.updates = 0

    def train_epoch(self, steps: int | None = None) -> float:
        """Train on the first `steps` batches of a new epoch, or on all."""
        self.model.train()
        use_trained_weights(self.optimizer)
        total, count = 0.0, 0
        for images, masks in islice(self._on_device(self.train_loader), steps):
            self.schedule.step(self.optimizer, self.updates)
            loss = self.loss(self.model(images), masks, self._maps(masks))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if self.average is not None:
                self.average.update(self.model)
            total, count, self.updates = total + loss.item(), count + 1, self.updates + 1
        use_averaged_weights(self.optimizer)
        return total / max(1, count)

    def _maps(self, masks: Tensor) -> Tensor | None:
        if not self.loss.needs_distance_maps:
            return None
        return torch.from_numpy(distance_maps(masks.cpu().numpy(), self.data.facts.classes)).to(self.device)

    @torch.no_grad()
    def validate(self) -> float:
        """The mean IoU over the whole validation part, from one confusion matrix."""
        network: nn.Module = self.model if self.average is None else self.average.module
        network.eval()
        classes = self.data.facts.classes
        confusion = torch.zeros(classes, classes, dtype=torch.int64)
        for images, masks in self._on_device(self.validation_loader):
            predicted = network(images).argmax(1)
            labelled = masks < classes
            cells = masks[labelled] * classes + predicted[labelled]
            confusion += torch.bincount(cells, minlength=classes**2).view(classes, classes).cpu()
        confusion[list(self.data.facts.ignored)] = 0
        hits = confusion.diagonal().double()
        unions = confusion.sum(0) + confusion.sum(1) - hits
        objective = list(self.data.facts.objective)
        return float((hits / unions.clamp(min=1))[objective].mean())

    def _on_device(self, loader: DataLoader[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        for images, masks in loader:
            yield images.to(self.device, non_blocking=True), masks.to(self.device, non_blocking=True)


def tunings(cores: int, batch_size: int, images: int) -> list[Tuning]:
    """What is tried: no worker, half of the cores, all of them; half of, the whole, and twice the trial's batch."""
    workers = sorted({0, cores // 2, cores})
    batches = sorted({max(2, batch_size // 2), batch_size, min(2 * batch_size, images)})
    return [Tuning(workers=count, batch_size=size) for count, size in product(workers, batches)]
