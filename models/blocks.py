"""The convolution blocks of a U-Net level: (N, in_channels, H, W) -> (N, out_channels, H, W)."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from models.layers import Layers

Residual = Literal["none", "post_add", "pre_act"]


def make_block(
    residual: Residual, in_channels: int, out_channels: int, convs: int, layers: Layers, *, stem: bool = False
) -> nn.Module:
    """A block of `convs` 3x3 convolutions with spatial dropout at its end. `stem` marks the one that sees the image."""
    match residual:
        case "none":
            return nn.Sequential(conv_stack(in_channels, out_channels, convs, layers), layers.dropout())
        case "post_add":
            return PostAddBlock(in_channels, out_channels, convs, layers)
        case "pre_act":
            return PreActBlock(in_channels, out_channels, convs, layers, stem=stem)


def conv_stack(in_channels: int, out_channels: int, convs: int, layers: Layers) -> nn.Sequential:
    """`convs` times convolution, normalization, activation."""
    channels = [in_channels] + [out_channels] * convs
    return nn.Sequential(*(layers.conv_norm_act(a, b) for a, b in pairwise(channels)))


def encode(blocks: Iterable[nn.Module], features: Tensor) -> list[Tensor]:
    """What each of `blocks` gives of (N, C, H, W), finest first, with a 2x2 maximum before all but the first."""
    levels = []
    for block in blocks:
        levels.append(block(functional.max_pool2d(levels[-1], 2) if levels else features))
    return levels


def make_shortcut(in_channels: int, out_channels: int, layers: Layers) -> nn.Module:
    """The identity where channels agree, else a 1x1 convolution."""
    return nn.Identity() if in_channels == out_channels else layers.conv(in_channels, out_channels, kernel=1)


class PostAddBlock(nn.Module):
    """(convolution, normalization, activation) x convs, plus the shortcut, then the activation once more."""

    def __init__(self, in_channels: int, out_channels: int, convs: int, layers: Layers) -> None:
        super().__init__()
        self.convs = conv_stack(in_channels, out_channels, convs, layers)
        self.shortcut = make_shortcut(in_channels, out_channels, layers)
        self.act = layers.act()
        self.dropout = layers.dropout()

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W)."""
        return self.dropout(self.act(self.convs(features) + self.shortcut(features)))


class PreActBlock(nn.Module):
    """(normalization, activation, convolution) x convs, plus the shortcut (ResUNet, Zhang et al. 2018).

    The stem starts with its convolution: there is nothing to normalize before it.
    """

    def __init__(self, in_channels: int, out_channels: int, convs: int, layers: Layers, *, stem: bool) -> None:
        super().__init__()
        channels = [in_channels] + [out_channels] * convs
        units = [nn.Sequential(layers.normalization(a), layers.act(), layers.conv(a, b)) for a, b in pairwise(channels)]
        if stem:
            units[0] = units[0][2:]
        self.units = nn.Sequential(*units)
        self.shortcut = make_shortcut(in_channels, out_channels, layers)
        self.dropout = layers.dropout()

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W)."""
        return self.dropout(self.units(features) + self.shortcut(features))
