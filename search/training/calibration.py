"""Making the logits of one-vs-rest experts comparable before the network is validated or saved."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from models.experts import Experts, fit_calibration
from search.training.outcome import NotFiniteError

PIXEL_STEP = 4
"""Every fourth row and column is fitted to: neighbours say the same."""


@torch.no_grad()
def calibrate(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], autocast: Callable[[], torch.autocast]
) -> None:
    """Fit the calibration of the group of experts inside `network` on images (N, C, H, W) and masks (N, H, W).

    The images are training images: the validation part stays what it is, unseen. Networks without experts are left
    alone, and no batch is asked for. Raises NotFiniteError where logits are not finite.
    """
    group = next((module for module in network.modules() if isinstance(module, Experts)), None)
    if group is None:
        return
    group.set_calibration(torch.ones_like(group.scale), torch.zeros_like(group.shift))
    network.eval()
    logits, labels = [], []
    for images, masks in batches:
        with autocast():
            outputs = network(images)
        logits.append(outputs[..., ::PIXEL_STEP, ::PIXEL_STEP].float().movedim(1, -1).flatten(0, 2))
        labels.append(masks[:, ::PIXEL_STEP, ::PIXEL_STEP].flatten())
    fitted = torch.cat(logits)
    if not fitted.isfinite().all():
        raise NotFiniteError("the experts cannot be calibrated: their logits on training images are NaN or infinite")
    group.set_calibration(*fit_calibration(fitted, torch.cat(labels)))
