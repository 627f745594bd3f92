"""The head of Light4Mars: it joins the stages from coarse to fine by aggregated local attention."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class LocalAttentionHead(nn.Module):
    """Upsampling, concatenation and `LocalAttention` a level; a 1x1 convolution to logits of twice the finest level.

    Channels `widths`, finest first, double from level to level.
    """

    def __init__(self, widths: list[int], classes: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(LocalAttention(fine + coarse, fine) for fine, coarse in pairwise(widths))
        self.logits = nn.Conv2d(widths[0], classes, kernel_size=1)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Logits (N, classes, 2H, 2W) of `levels`, finest (N, C, H, W) first, each half the size of the one before."""
        *finer, features = levels
        for join, level in zip(reversed(self.levels), reversed(finer), strict=True):
            features = join(torch.cat([level, _double(features)], dim=1))
        return _double(self.logits(features))


class LocalAttention(nn.Module):
    """Aggregated local attention: a feature map scaled by what depthwise 1x1, 3x3 and 5x5 convolutions see around it.

    (N, in_channels, H, W) -> (N, channels, H, W); `channels` must divide `in_channels`.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(in_channels, channels, kernel_size=3, padding=1, groups=channels)
        self.norm = nn.BatchNorm2d(channels)
        self.scales = nn.ModuleList(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels) for kernel in (1, 3, 5)
        )
        self.mix = nn.Sequential(nn.Conv2d(channels, channels, kernel_size=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, channels, H, W)."""
        reduced = self.reduce(features)
        around = normalized = self.norm(reduced)
        for scale in self.scales:
            around = around + scale(normalized)
        return self.mix(around) * reduced


def _double(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
