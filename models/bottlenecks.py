"""Modules behind the bottleneck's block, all (N, C, H, W) -> (N, C, H, W)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.attention import GlobalSelfAttention, WindowSelfAttention
from models.layers import Layers
from spaces.networks import ASPP, Bottleneck, GlobalAttention, ParallelDilated, WindowAttention


def make_bottleneck(bottleneck: Bottleneck, channels: int, layers: Layers) -> nn.Module:
    """The module that a configuration asks for."""
    match bottleneck:
        case ASPP():
            return AtrousPyramid(channels, bottleneck.width, channels, bottleneck.rates, layers)
        case ParallelDilated():
            return make_parallel_dilated(channels, bottleneck, layers)
        case WindowAttention():
            return WindowSelfAttention(channels, bottleneck)
        case GlobalAttention():
            return GlobalSelfAttention(channels, bottleneck)


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling of DeepLabV3 (Chen et al. 2017, arXiv 1706.05587).

    A 1x1 convolution, a 3x3 one for each of `rates` and the image's mean, each with `width` channels, normalization and
    activation; concatenated and projected to `out_channels`. Convolutions carry no bias where a normalization follows.
    A batch of one trains as well: see `norms.make_pooled_norm`.
    """

    def __init__(self, in_channels: int, width: int, out_channels: int, rates: Sequence[int], layers: Layers) -> None:
        super().__init__()
        atrous = [layers.conv_norm_act(in_channels, width, dilation=rate, bias=False) for rate in rates]
        self.branches = nn.ModuleList([layers.conv_norm_act(in_channels, width, kernel=1, bias=False), *atrous])
        self.pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            layers.conv(in_channels, width, kernel=1, bias=not layers.normalizes),
            layers.pooled_normalization(width),
            layers.act(),
        )
        joined = width * (len(rates) + 2)
        self.project = layers.conv_norm_act(joined, out_channels, kernel=1, bias=False)
        self.dropout = layers.dropout()

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W)."""
        # Bilinear interpolation of a single position is that position repeated.
        pooled = self.pool(features).expand(-1, -1, *features.shape[-2:])
        joined = torch.cat([*(branch(features) for branch in self.branches), pooled], dim=1)
        return self.dropout(self.project(joined))


def make_parallel_dilated(channels: int, dilated: ParallelDilated, layers: Layers) -> nn.Module:
    """Parallel dilated 3x3 convolutions of the same input (report 000), fused by addition or concatenation.

    Normalization, activation and dropout are those of the network.
    """
    branches = [_make_dilated(channels, rate, dilated.normalized, layers) for rate in dilated.rates]
    match dilated.fusion:
        case "add":
            return AddedDilations(branches, layers)
        case "concat":
            return ConcatenatedDilations(branches, channels, layers)


def _make_dilated(channels: int, rate: int, normalized: bool, layers: Layers) -> nn.Sequential:
    conv = layers.conv(channels, channels, dilation=rate)
    return nn.Sequential(conv, layers.normalization(channels)) if normalized else nn.Sequential(conv)


class AddedDilations(nn.Module):
    """Dropout on each branch, their sum, activation."""

    def __init__(self, branches: Sequence[nn.Sequential], layers: Layers) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branch.append(layers.dropout()) for branch in branches)
        self.act = layers.act()

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return self.act(torch.stack([branch(features) for branch in self.branches]).sum(0))


class ConcatenatedDilations(nn.Module):
    """Activation in each branch; concatenation; a 1x1 convolution back to C; dropout."""

    def __init__(self, branches: Sequence[nn.Sequential], channels: int, layers: Layers) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branch.append(layers.act()) for branch in branches)
        self.project = layers.conv(channels * len(branches), channels, kernel=1)
        self.dropout = layers.dropout()

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        joined = torch.cat([branch(features) for branch in self.branches], dim=1)
        return self.dropout(self.project(joined))
