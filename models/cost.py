"""What a network costs, known before it trains."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from models.build import build_model
from spaces.networks import ModelConfig


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Trainable parameters, and multiply-adds (macs) of one image in evaluation mode.

    Multiply-adds are those of convolutions and matrix products; the rest (normalization, interpolation) is not counted.
    """

    parameters: int
    macs: int


def measure_cost(config: ModelConfig, height: int, width: int) -> Cost:
    """The cost of `config` at images of `height` x `width` pixels, without allocating a weight or computing a value."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model = build_model(config).eval()
        model(torch.empty(1, config.in_channels, height, width))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Cost(parameters=parameters, macs=counter.get_total_flops() // 2)
