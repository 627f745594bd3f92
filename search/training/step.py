"""One training step as far as its gradients: forward pass, loss, backward pass."""

import torch
from torch import Tensor, nn

from search.training.compute import Compute
from search.training.device import TensorBatch, device_distance_maps
from search.training.losses import SegmentationLoss, distance_maps
from search.training.pseudo_labels import split_outputs


class GradientStep:
    """The loss and the gradients of the batches of one step; nothing is read back to the host.

    The batches pass through the network as one: so batch statistics are of all of them, and running statistics are
    updated once, as in FixMatch.
    """

    def __init__(self, model: nn.Module, loss: SegmentationLoss, compute: Compute, classes: int) -> None:
        self.model = model
        self._loss, self._compute, self._classes = loss, compute, classes

    def run(self, batches: tuple[TensorBatch, ...]) -> Tensor:
        """Leave the gradients in `model`; the loss, a float32 scalar on the device."""
        self.model.zero_grad(set_to_none=True)
        loss = self.loss_of(batches)
        loss.backward()
        return loss.detach()

    def loss_of(self, batches: tuple[TensorBatch, ...]) -> Tensor:
        """The sum of the batches' losses, each times its weight."""
        first, *others = batches
        images = torch.cat([batch.images for batch in batches]) if others else first.images
        with self._compute.autocast():
            outputs = self.model(self._compute.scaled(images))
        parts = split_outputs(outputs, [len(batch.images) for batch in batches])
        losses = [batch.weight * self._graded(part, batch) for part, batch in zip(parts, batches, strict=True)]
        return torch.stack(losses).sum()

    def _graded(self, outputs: Tensor | tuple[Tensor, ...], batch: TensorBatch) -> Tensor:
        maps = self._distance_maps(batch.masks) if self._loss.needs_distance_maps else None
        return self._loss(outputs, batch.masks.long(), maps)

    def _distance_maps(self, masks: Tensor) -> Tensor:
        """On a GPU made there, so that nothing waits; on a CPU OpenCV is faster."""
        if masks.device.type == "cuda":
            return device_distance_maps(masks, self._classes)
        return torch.from_numpy(distance_maps(masks.numpy(), self._classes))
