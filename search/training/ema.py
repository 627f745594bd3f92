"""Exponential moving average of a network's weights, with a warm-up of the decay."""

from typing import Any

from timm.utils.model_ema import ModelEmaV3
from torch import nn


class WeightAverage:
    """The average that is validated in place of the raw weights: `module`, in evaluation mode.

    After t updates the decay is min(decay, 1 - t^(-2/3)), so that the first epochs do not drag the random start along
    (timm's `ModelEmaV3`, after K. Crowson). Buffers are copied, not averaged: running statistics are averages already,
    and averaged twice they lag so far behind that a data set of few batches an epoch looks untrained at its first
    rungs.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._average = ModelEmaV3(model, decay=decay, use_warmup=True, foreach=True)
        self.updates = 0

    @property
    def module(self) -> nn.Module:
        """The averaged network."""
        return self._average.module

    @property
    def decay(self) -> float:
        """Decay that the latest update used."""
        return self._average.get_decay(self.updates)

    def update(self, model: nn.Module) -> None:
        """Take in the weights of `model`, after each update of the optimizer."""
        self.updates += 1
        self._average.update(model, step=self.updates)
        for averaged, raw in zip(self.module.buffers(), model.buffers(), strict=True):
            averaged.copy_(raw)

    def state_dict(self) -> dict[str, Any]:
        """Averaged weights and the number of updates."""
        return {"module": self.module.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.module.load_state_dict(state["module"])
        self.updates = state["updates"]
