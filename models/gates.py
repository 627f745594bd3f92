"""Attention gates on the skip connections."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers import Layers
from models.upsampling import resize


def inner_channels(channels: int, ratio: float) -> int:
    """Channels inside a gate: `ratio` of the skip's, at least one."""
    return max(1, round(channels * ratio))


class AdditiveGate(nn.Module):
    """Additive gate at the skip's own resolution (LeeJunHyun/Image_Segmentation, `AttU_Net`).

    out = x * sigmoid(norm(conv1x1(ReLU(norm(conv1x1 g) + norm(conv1x1 x))))), where g is the upsampled decoder feature
    and x the skip.
    """

    def __init__(self, gating_channels: int, skip_channels: int, ratio: float, layers: Layers) -> None:
        super().__init__()
        inner = inner_channels(skip_channels, ratio)
        self.from_gating = _conv_norm(gating_channels, inner, layers)
        self.from_skip = _conv_norm(skip_channels, inner, layers)
        self.attention = _conv_norm(inner, 1, layers)

    def forward(self, gating: Tensor, skip: Tensor) -> Tensor:
        """Weigh `skip` (N, skip_channels, H, W) by `gating` (N, gating_channels, H, W), with one weight a position."""
        joint = functional.relu(self.from_gating(gating) + self.from_skip(skip))
        return skip * torch.sigmoid(self.attention(joint))


class GridGate(nn.Module):
    """Grid gate of one skip (Oktay et al. 2018; ozan-oktay/Attention-Gated-Networks, `grid_attention_layer.py`).

    Attention is computed at half the skip's resolution:
    a = sigmoid(conv1x1(ReLU(theta(x) + up(phi(g))))), out = norm(conv1x1(up(a) * x)).
    """

    def __init__(self, gating_channels: int, skip_channels: int, ratio: float, layers: Layers) -> None:
        super().__init__()
        inner = inner_channels(skip_channels, ratio)
        self.theta = nn.Conv2d(skip_channels, inner, kernel_size=2, stride=2, bias=False)
        self.phi = nn.Conv2d(gating_channels, inner, kernel_size=1)
        self.psi = nn.Conv2d(inner, 1, kernel_size=1)
        self.output = _conv_norm(skip_channels, skip_channels, layers)

    def forward(self, skip: Tensor, gating: Tensor) -> Tensor:
        """Weigh `skip` (N, skip_channels, H, W), H and W even, by a coarser `gating` (N, gating_channels, h, w)."""
        grid = self.theta(skip)
        joint = functional.relu(grid + resize(self.phi(gating), grid.shape[-2:]))
        return self.output(resize(torch.sigmoid(self.psi(joint)), skip.shape[-2:]) * skip)


class GridGates(nn.Module):
    """Grid gates on all skips but the finest, sharing one gating signal made from the bottleneck.

    The signal is conv1x1, norm, ReLU with as many channels as the coarsest skip. A network of two levels has only its
    finest skip and hence no gate.
    """

    def __init__(self, bottleneck_channels: int, skip_channels: Sequence[int], ratio: float, layers: Layers) -> None:
        super().__init__()
        signal_channels = skip_channels[-1]
        self.signal = nn.Sequential(_conv_norm(bottleneck_channels, signal_channels, layers), nn.ReLU())
        self.gates = nn.ModuleList(GridGate(signal_channels, channels, ratio, layers) for channels in skip_channels[1:])

    def forward(self, skips: Sequence[Tensor], bottleneck: Tensor) -> list[Tensor]:
        """Gate `skips`, finest first, each (N, C_i, H / 2**i, W / 2**i); shapes stay."""
        signal = self.signal(bottleneck)
        gated = [gate(skip, signal) for gate, skip in zip(self.gates, skips[1:], strict=True)]
        return [skips[0], *gated]


def _conv_norm(in_channels: int, out_channels: int, layers: Layers) -> nn.Sequential:
    return nn.Sequential(layers.conv(in_channels, out_channels, kernel=1), layers.normalization(out_channels))
