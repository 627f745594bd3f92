"""Measuring a network on the validation part: one confusion matrix, at native resolution."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from search.data.samples import TrialData
from search.training.compute import Compute
from search.training.metrics import (
    confusion_matrix,
    fg_masked,
    iou_per_class,
    keras_masked,
    mean_iou,
    most_likely,
    standard_fg,
)
from search.training.windows import native_logits
from spaces.facts import DataFacts


@torch.no_grad()
def validate(model: nn.Module, data: TrialData, compute: Compute) -> Tensor:
    """The confusion matrix (K, K) of `model`, in evaluation mode, over the whole validation part."""
    classes = data.facts.classes
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    for logits, truth in validation_logits(model, data, compute):
        confusion += confusion_matrix(logits, truth, classes).cpu()
    return confusion


@torch.no_grad()
def image_confusions(model: nn.Module, data: TrialData, compute: Compute) -> Tensor:
    """The confusion matrix (N, K, K) of each validation image; their sum is what `validate` gives."""
    confusions = [
        confusion_matrix(image[None], mask[None], data.facts.classes).cpu()
        for logits, truth in validation_logits(model, data, compute)
        for image, mask in zip(logits, truth, strict=True)
    ]
    return torch.stack(confusions)


@torch.no_grad()
def predict(model: nn.Module, data: TrialData, compute: Compute) -> list[np.ndarray]:
    """The class indices (H, W) uint8 of each validation image, at its native size, as `validate` counts them."""
    predicted = (most_likely(logits).to(torch.uint8) for logits, _ in validation_logits(model, data, compute))
    return [mask for masks in predicted for mask in masks.cpu().numpy()]


def validation_logits(model: nn.Module, data: TrialData, compute: Compute) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (N, K, H, W) and truth (N, H, W) of the validation images at their native size, batch by batch.

    `model` is set to evaluation mode; gradients are the caller's to switch off.
    """
    model.eval()
    return _of_batches(model, data, compute) if data.uniform else _of_images(model, data, compute)


def _of_batches(model: nn.Module, data: TrialData, compute: Compute) -> Iterator[tuple[Tensor, Tensor]]:
    masks = np.asarray(data.validation.masks)
    for part, logits in logits_of(model, data.validation.images, compute):
        yield logits, torch.tensor(masks[part]).to(compute.device)


def logits_of(
    model: nn.Module, images: Sequence[np.ndarray] | np.ndarray, compute: Compute
) -> Iterator[tuple[slice, Tensor]]:
    """Batch by batch, which images (H, W, C) uint8 of one size, and their logits (N, K, H, W)."""
    for start in range(0, len(images), compute.forward_batch):
        part = slice(start, start + compute.forward_batch)
        with compute.autocast():
            logits = model(compute.images(np.asarray(images[part])))
        yield part, logits


def _of_images(model: nn.Module, data: TrialData, compute: Compute) -> Iterator[tuple[Tensor, Tensor]]:
    def forward(batch: Tensor) -> Tensor:
        with compute.autocast():
            return model(compute.laid_out(batch))

    for image, mask in zip(data.validation.images, data.validation.masks, strict=True):
        logits = native_logits(forward, image, data.facts, scale=data.scale, device=compute.device)
        yield logits[None], torch.tensor(mask)[None].to(compute.device)


def objective(confusion: Tensor, facts: DataFacts) -> float:
    """What a search maximizes and prunes on: mean IoU over the fixed set of classes of the validation truth."""
    return mean_iou(confusion, facts.objective, facts.ignored)


def class_ious(confusion: Tensor, facts: DataFacts) -> tuple[float | None, ...]:
    """IoU of each class, None where neither truth nor prediction holds it."""
    values = iou_per_class(confusion, facts.ignored).tolist()
    return tuple(None if math.isnan(value) else value for value in values)


def readings(confusion: Tensor, background: int | None) -> dict[str, float]:
    """The readings of the metric that differ only where there is a background."""
    if background is None:
        return {}
    return {
        "fg_masked": fg_masked(confusion, background),
        "keras_masked": keras_masked(confusion, background),
        "standard_fg": standard_fg(confusion, background),
    }
