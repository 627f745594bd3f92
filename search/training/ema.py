"""Exponential moving average of a network's weights, with a warm-up of the decay."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """The average that is validated in place of the raw weights: `module`, in evaluation mode.

    After t updates the decay is min(decay, 1 - t^(-2/3)), so that the first epochs do not drag the random start along
    (as timm's `ModelEmaV3`, after K. Crowson). Running statistics of batch normalization belong to the weights they
    were measured with: neither the raw network's nor an average of those fits the averaged weights while they still
    move fast. `measure_statistics` measures them before the average is validated or saved.

    timm's module gathers two state dicts for each update, and averages the buffers, which are measured anew anyway:
    here one call updates all parameters, and nothing else.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.module = deepcopy(model).eval().requires_grad_(False)
        self.updates = 0
        self._highest = decay
        self._averaged = tuple(self.module.parameters())
        self._latest = tuple(model.parameters())

    @property
    def decay(self) -> float:
        """Decay that the latest update used."""
        return min(self._highest, 1 - self.updates ** (-2 / 3))

    @torch.no_grad()
    def update(self) -> None:
        """Take in the model's weights, after each update of the optimizer."""
        self.updates += 1
        get_ema_multi_avg_fn(self.decay)(self._averaged, self._latest, self.updates)

    def state_dict(self) -> dict[str, Any]:
        """Averaged weights and the number of updates."""
        return {"module": self.module.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.module.load_state_dict(state["module"])
        self.updates = state["updates"]


@torch.no_grad()
def measure_statistics(network: nn.Module, batches: Iterable[Tensor], autocast: Callable[[], torch.autocast]) -> None:
    """Replace the running statistics of `network` by the plain averages over `batches` (N, C, H, W).

    For networks of averaged weights, as in stochastic weight averaging (Izmailov et al. 2018). Dropout stays off, and
    the network is left in evaluation mode.
    """
    network.eval()
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain average over all batches since the reset
        layer.train()
    for batch in batches:
        with autocast():
            network(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
