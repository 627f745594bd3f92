"""Measuring a network on the validation part: one confusion matrix, at native resolution."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from search.data.samples import TrialData
from search.training.batches import to_tensor
from search.training.metrics import confusion_matrix, fg_masked, iou_per_class, keras_masked, mean_iou, standard_fg
from search.training.precision import Compute
from search.training.windows import predict_native
from spaces.facts import DataFacts


@torch.no_grad()
def validate(model: nn.Module, data: TrialData, compute: Compute) -> Tensor:
    """The confusion matrix (K, K) of `model`, in evaluation mode, over the whole validation part."""
    model.eval()
    if data.uniform:
        return _validate_batches(model, data, compute)
    return _validate_images(model, data, compute)


def _validate_batches(model: nn.Module, data: TrialData, compute: Compute) -> Tensor:
    images, masks = np.asarray(data.validation.images), np.asarray(data.validation.masks)
    classes = data.facts.classes
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    for start in range(0, len(images), compute.forward_batch):
        end = start + compute.forward_batch
        with compute.autocast():
            logits = model(to_tensor(images[start:end], compute.device))
        truth = torch.tensor(masks[start:end]).to(compute.device)
        confusion += confusion_matrix(logits, truth, classes).cpu()
    return confusion


def _validate_images(model: nn.Module, data: TrialData, compute: Compute) -> Tensor:
    def forward(batch: Tensor) -> Tensor:
        with compute.autocast():
            return model(batch)

    classes = data.facts.classes
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    for image, mask in zip(data.validation.images, data.validation.masks, strict=True):
        predicted = predict_native(forward, image, data.facts, scale=data.scale, device=compute.device)
        confusion += confusion_matrix(torch.tensor(predicted)[None], torch.tensor(mask)[None], classes)
    return confusion


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
