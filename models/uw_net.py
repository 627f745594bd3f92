"""Attention UW-Net: a U-Net of gated skips whose middle goes up and down once more, as a W."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.blocks import encode, make_block
from models.layers import Layers
from spaces.networks import BatchNorm, UWNetConfig


class UWNet(nn.Module):
    """Attention UW-Net (Pal et al. 2022; Dynamo13/Attention_UWNet), without its softmax; see `models.frame`.

    Five levels of `width` to 16 * `width` channels. Behind the coarsest one a gated step leads up to stride 8; what
    comes out takes the place of that level's skip, and a strided convolution leads down from it to the decoder's start.

    The authors normalize the logits by batch. Here that goes for networks of batch normalization alone: normalized
    within an image, logits could not say how much of a class is there, and those of two classes would be +1 and -1.
    """

    stride = 16

    def __init__(self, config: UWNetConfig, *, in_channels: int, classes: int) -> None:
        super().__init__()
        layers = Layers.of(config)
        channels = [config.width * 2**level for level in range(5)]
        *_, above, coarsest = channels
        self.encoder = nn.ModuleList(
            make_block("none", finer, here, 2, layers) for finer, here in pairwise([in_channels, *channels])
        )
        self.first_rise = GatedRise(coarsest, above, layers)
        self.descent = nn.Sequential(
            make_halving_conv(above, layers), layers.act(), make_block("none", above, coarsest, 2, layers)
        )
        self.rises = nn.ModuleList(GatedRise(below, here, layers) for below, here in pairwise(reversed(channels)))
        self.head = nn.Sequential(
            nn.Conv2d(config.width, classes, kernel_size=1),
            nn.BatchNorm2d(classes) if isinstance(config.norm, BatchNorm) else nn.Identity(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, H, W), multiples of `stride`, to logits (N, classes, H, W)."""
        *skips, features = encode(self.encoder, features)
        skips[-1] = self.first_rise(features, skips[-1])
        features = self.descent(skips[-1])
        for rise, skip in zip(self.rises, reversed(skips), strict=True):
            features = rise(features, skip)
        return self.head(features)


class GatedRise(nn.Module):
    """One step up: the skip, gated by the feature below, joins that feature, repeated to twice its resolution."""

    def __init__(self, below_channels: int, channels: int, layers: Layers) -> None:
        super().__init__()
        self.signal = layers.conv_norm_act(below_channels, channels, kernel=1)
        self.gate = TransposedGate(channels, layers)
        self.upsample = nn.Upsample(scale_factor=2)
        self.block = make_block("none", below_channels + channels, channels, 2, layers)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """Join `below` (N, below_channels, H / 2, W / 2) and `skip` (N, channels, H, W) to (N, channels, H, W)."""
        gated = self.gate(skip, self.signal(below))
        return self.block(torch.cat([self.upsample(below), gated], dim=1))


class TransposedGate(nn.Module):
    """The gate of UW-Net, whose attention is computed at half the skip's resolution.

    a = sigmoid(conv1x1(ReLU(theta(x) + phi(g)))), out = norm(conv1x1(up(a) * x)); phi is a 1x1 and a transposed 3x3
    convolution of stride 1, and `up` repeats.
    """

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.theta = nn.Conv2d(channels, channels, kernel_size=2, stride=2)
        self.phi = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size=1),
            nn.ConvTranspose2d(channels, channels, kernel_size=3, padding=1),
        )
        self.psi = nn.Conv2d(channels, 1, kernel_size=1)
        self.upsample = nn.Upsample(scale_factor=2)
        self.output = nn.Sequential(layers.conv(channels, channels, kernel=1), layers.normalization(channels))

    def forward(self, skip: Tensor, signal: Tensor) -> Tensor:
        """Weigh `skip` (N, C, H, W), H and W even, by `signal` (N, C, H / 2, W / 2), with one weight a 2x2 square."""
        return self.output(skip * self.upsample(self.attention(skip, signal)))

    def attention(self, skip: Tensor, signal: Tensor) -> Tensor:
        """The weights, (N, 1, H / 2, W / 2), between 0 and 1."""
        return torch.sigmoid(self.psi(functional.relu(self.theta(skip) + self.phi(signal))))


def make_halving_conv(channels: int, layers: Layers) -> nn.Conv2d:
    """The network's 3x3 convolution, (N, C, H, W) to (N, C, H / 2, W / 2)."""
    conv = layers.conv(channels, channels)
    conv.stride = (2, 2)
    return conv
