"""Joining feature maps of several channels and resolutions into one."""

from collections.abc import Sequence
from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn

from models.context import make_squeeze_excitation
from models.layers import Layers
from models.upsampling import resize
from spaces.networks import BranchFusion


class BranchJoin(nn.Module):
    """Multi-branch fusion (report 001): alignment, merge, attention, separable 3x3 convolution; see `BranchFusion`."""

    def __init__(self, branch_channels: Sequence[int], out_channels: int, fusion: BranchFusion, layers: Layers) -> None:
        super().__init__()
        self.alignments = nn.ModuleList(
            layers.conv_norm_act(channels, out_channels, kernel=1) for channels in branch_channels
        )
        self.merge = make_merge(fusion.merge, len(branch_channels), out_channels, layers)
        self.attention = make_branch_attention(fusion.attention, out_channels)
        self.output = make_separable_conv(out_channels, layers)

    def forward(self, branches: list[Tensor]) -> Tensor:
        """Join `branches`, each (N, branch_channels[i], H_i, W_i), to (N, out_channels, H_0, W_0)."""
        aligned = [align(branch) for align, branch in zip(self.alignments, branches, strict=True)]
        merged = self.merge([aligned[0], *(resize(branch, aligned[0].shape[-2:]) for branch in aligned[1:])])
        return self.output(self.attention(merged))


def make_merge(merge: Literal["concat", "add", "gated"], branches: int, channels: int, layers: Layers) -> nn.Module:
    """What makes one map (N, C, H, W) of a list of `branches` maps of that shape."""
    match merge:
        case "concat":
            return ConcatMerge(branches, channels, layers)
        case "add":
            return AddMerge()
        case "gated":
            return GatedMerge(branches, channels)


class ConcatMerge(nn.Module):
    """Concatenation and a 1x1 convolution."""

    def __init__(self, branches: int, channels: int, layers: Layers) -> None:
        super().__init__()
        self.project = layers.conv(branches * channels, channels, kernel=1)

    def forward(self, branches: list[Tensor]) -> Tensor:
        """Merge maps of (N, C, H, W) to one."""
        return self.project(torch.cat(branches, dim=1))


class AddMerge(nn.Module):
    """The sum."""

    def forward(self, branches: list[Tensor]) -> Tensor:
        """Merge maps of (N, C, H, W) to one."""
        return reduce(torch.add, branches)


class GatedMerge(nn.Module):
    """A weighted sum: softmax over the branches of a linear function of the means of all their channels."""

    def __init__(self, branches: int, channels: int) -> None:
        super().__init__()
        self.score = nn.Linear(branches * channels, branches)

    def forward(self, branches: list[Tensor]) -> Tensor:
        """Merge maps of (N, C, H, W) to one."""
        weights = self.weights(branches)[..., None, None, None].unbind(dim=1)
        return reduce(torch.add, [weight * branch for weight, branch in zip(weights, branches, strict=True)])

    def weights(self, branches: list[Tensor]) -> Tensor:
        """The weight of each branch in each image, (N, branches), which sum to 1."""
        means = torch.cat([branch.mean((2, 3)) for branch in branches], dim=1)
        return self.score(means).softmax(dim=1)


def make_branch_attention(attention: Literal["none", "se", "cbam", "spatial"], channels: int) -> nn.Module:
    """What reweighs a merged map (N, C, H, W)."""
    match attention:
        case "none":
            return nn.Identity()
        case "se":
            return make_squeeze_excitation(channels)
        case "cbam":
            return nn.Sequential(ChannelAttention(channels), SpatialAttention())
        case "spatial":
            return SpatialAttention()


class ChannelAttention(nn.Module):
    """Channel attention of CBAM (Woo et al. 2018): one perceptron over the means and over the maxima of all channels.

    It squeezes to channels / 16, at least 4: with fewer hidden units, a start may leave all of them dead.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(4, channels // 16)
        self.perceptron = nn.Sequential(
            nn.Conv2d(channels, hidden, kernel_size=1), nn.ReLU(), nn.Conv2d(hidden, channels, kernel_size=1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Scale the channels of (N, C, H, W)."""
        return features * self.gates(features)

    def gates(self, features: Tensor) -> Tensor:
        """The factor of each channel, (N, C, 1, 1), between 0 and 1."""
        mean, peak = features.mean((2, 3), keepdim=True), features.amax((2, 3), keepdim=True)
        return torch.sigmoid(self.perceptron(mean) + self.perceptron(peak))


class SpatialAttention(nn.Module):
    """Spatial attention of CBAM: a 7x7 convolution over the mean and the maximum of each position's channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size=7, padding=3)

    def forward(self, features: Tensor) -> Tensor:
        """Scale the positions of (N, C, H, W)."""
        return features * self.gates(features)

    def gates(self, features: Tensor) -> Tensor:
        """The factor of each position, (N, 1, H, W), between 0 and 1."""
        summary = torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], dim=1)
        return torch.sigmoid(self.conv(summary))


def make_separable_conv(channels: int, layers: Layers) -> nn.Sequential:
    """Depthwise 3x3 and 1x1 convolution, normalization, activation: (N, C, H, W) to the same shape.

    The depthwise weights are never standardized: without their mean, nine weights see edges alone. They start so that
    the signal keeps its size, which matters where no normalization follows.
    """
    depthwise = nn.Conv2d(channels, channels, kernel_size=3, padding=1, groups=channels, bias=False)
    nn.init.kaiming_normal_(depthwise.weight, nonlinearity="linear")
    return nn.Sequential(depthwise, *layers.conv_norm_act(channels, channels, kernel=1))
