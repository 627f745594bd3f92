"""The U-Net family: encoder, bottleneck, decoder, head."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.blocks import make_block
from models.bottlenecks import make_bottleneck
from models.context import make_global_context, make_squeeze_excitation
from models.gates import AdditiveGate, GridGates
from models.layers import Layers
from models.upsampling import make_upsampling, upsampled_channels
from spaces.networks import AdditiveGate as AdditiveGateConfig
from spaces.networks import OktayGridGate, UNetConfig


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015) with 'same' padding and the options of `UNetConfig`.

    Takes images of any height and width from 1 up: they are padded at the bottom and on the right to multiples of
    patch * 2**(depth - 1), see `pad_to_stride`, and the logits are cropped back.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.patch = config.patch
        self.stride = config.patch * 2 ** (config.depth - 1)
        layers = Layers.of(config)
        self.input_norm = nn.BatchNorm2d(config.in_channels) if config.input_norm else nn.Identity()
        self.encoder = Encoder(config, layers)
        self.bottleneck = make_bottleneck_level(config, layers)
        self.decoder = Decoder(config, layers)
        self.head = Head(config)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map images (N, in_channels, H, W) to logits (N, classes, H, W).

        With deep supervision and in training mode: a tuple, those logits first, then the coarser decoder levels' at
        their own resolution, (N, classes, ceil(H / s), ceil(W / s)) with s = patch * 2^i.
        """
        padded = self.input_norm(pad_to_stride(images, self.stride))
        skips, features = self.encoder(to_patches(padded, self.patch))
        features = self.bottleneck(features)
        levels = self.decoder(features, skips)
        return self.head(levels, images.shape[-2:])


class Encoder(nn.Module):
    """Blocks with 2x2 max pooling after each, at strides 1, 2, ..., 2**(depth - 2) of the patches."""

    def __init__(self, config: UNetConfig, layers: Layers) -> None:
        super().__init__()
        channels = [config.in_channels * config.patch**2, *level_channels(config)[:-1]]
        self.blocks = nn.ModuleList(
            make_block(config.residual, channels[i], channels[i + 1], config.convs, layers, stem=i == 0)
            for i in range(config.depth - 1)
        )
        self.pool = nn.MaxPool2d(2)

    def forward(self, features: Tensor) -> tuple[list[Tensor], Tensor]:
        """The features of each level, finest first, and the pooled last one for the bottleneck."""
        skips = []
        for block in self.blocks:
            skips.append(block(features))
            features = self.pool(skips[-1])
        return skips, features


def make_bottleneck_level(config: UNetConfig, layers: Layers) -> nn.Sequential:
    """The coarsest level, in this order: block, bottleneck module, global context, squeeze-and-excitation."""
    *_, above, channels = level_channels(config)
    modules = [make_block(config.residual, above, channels, config.convs, layers)]
    if config.bottleneck is not None:
        modules.append(make_bottleneck(config.bottleneck, channels, layers))
    if config.context is not None:
        modules.append(make_global_context(config.context, channels))
    if config.squeeze_excitation:
        modules.append(make_squeeze_excitation(channels))
    return nn.Sequential(*modules)


class Decoder(nn.Module):
    """One `DecoderLevel` for each skip, coarsest first."""

    def __init__(self, config: UNetConfig, layers: Layers) -> None:
        super().__init__()
        self.grid_gates = make_grid_gates(config, layers)
        self.levels = nn.ModuleList(DecoderLevel(config, level, layers) for level in reversed(range(config.depth - 1)))

    def forward(self, features: Tensor, skips: list[Tensor]) -> list[Tensor]:
        """Decode the bottleneck (N, C, h, w) with `skips`, finest first: the feature of each level, finest first."""
        if self.grid_gates is not None:
            skips = self.grid_gates(skips, features)
        decoded = []
        for level, skip in zip(self.levels, reversed(skips), strict=True):
            features = level(features, skip)
            decoded.append(features)
        return decoded[::-1]


class DecoderLevel(nn.Module):
    """Upsamples the feature below, gates the skip where asked, concatenates both and runs a block."""

    def __init__(self, config: UNetConfig, level: int, layers: Layers) -> None:
        super().__init__()
        channels, below = level_channels(config)[level : level + 2]
        upsampled = upsampled_channels(config.upsampling, below, channels)
        self.upsample = make_upsampling(config.upsampling, below, channels, layers)
        self.gate = (
            AdditiveGate(upsampled, channels, config.gate.ratio, layers)
            if isinstance(config.gate, AdditiveGateConfig)
            else None
        )
        self.block = make_block(config.residual, channels + upsampled, channels, config.convs, layers)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """Join `below` (N, C', H / 2, W / 2) and `skip` (N, C, H, W) to (N, C, H, W)."""
        upsampled = self.upsample(below)
        if self.gate is not None:
            skip = self.gate(upsampled, skip)
        return self.block(torch.cat([skip, upsampled], dim=1))


class Head(nn.Module):
    """1x1 convolutions to logits: one on the finest level, and with deep supervision one on each coarser level."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.patch = config.patch
        main, *coarser = level_channels(config)[:-1]
        self.main = nn.Conv2d(main, config.classes, kernel_size=1)
        self.auxiliary = (
            nn.ModuleList(nn.Conv2d(channels, config.classes, kernel_size=1) for channels in coarser)
            if config.deep_supervision is not None
            else None
        )

    def forward(self, levels: list[Tensor], size: tuple[int, int]) -> Tensor | tuple[Tensor, ...]:
        """Logits (N, classes, *size) of the finest of `levels`; in training the coarser ones' too.

        Auxiliary logits stay at the resolution of their level: upsampled ones cost a third of a training step and
        gained nothing.
        """
        main = crop(from_patches(self.main(levels[0]), self.patch), size, stride=1)
        if self.auxiliary is None or not self.training:
            return main
        coarser = [
            crop(head(level), size, stride=self.patch * 2**index)
            for index, (head, level) in enumerate(zip(self.auxiliary, levels[1:], strict=True), start=1)
        ]
        return (main, *coarser)


def level_channels(config: UNetConfig) -> list[int]:
    """Channels of each level, finest first, the bottleneck last."""
    return [config.width * 2**level for level in range(config.depth)]


def make_grid_gates(config: UNetConfig, layers: Layers) -> GridGates | None:
    """Grid gates, where the configuration asks for them and there is a skip below the finest."""
    if not isinstance(config.gate, OktayGridGate) or config.depth == 2:
        return None
    *skips, bottleneck = level_channels(config)
    return GridGates(bottleneck, skips, config.gate.ratio, layers)


def pad_to_stride(images: Tensor, stride: int) -> Tensor:
    """Pad (N, C, H, W) at the bottom and on the right to multiples of `stride`.

    By reflection, or where the image is too small for it by repeating its edge. An image that would come out as a
    single stride in both directions gets a second one in width: statistics over a bottleneck of one position do not
    exist (instance normalization, batch normalization of a batch of one).
    """
    height, width = images.shape[-2:]
    down, right = -height % stride, -width % stride
    if height + down == width + right == stride:
        right += stride
    if not down and not right:
        return images
    mode = "reflect" if down < height and right < width else "replicate"
    return functional.pad(images, (0, right, 0, down), mode=mode)


def to_patches(images: Tensor, patch: int) -> Tensor:
    """Rearrange (N, C, H, W) to (N, C * patch^2, H / patch, W / patch): nothing is lost, and nothing computed."""
    return functional.pixel_unshuffle(images, patch) if patch > 1 else images


def from_patches(logits: Tensor, patch: int) -> Tensor:
    """Interpolate logits (N, K, h, w) of patches to (N, K, h * patch, w * patch), bilinearly."""
    if patch == 1:
        return logits
    return functional.interpolate(logits, scale_factor=patch, mode="bilinear", align_corners=False)


def crop(logits: Tensor, size: tuple[int, int], *, stride: int) -> Tensor:
    """The part of logits (N, K, h, w) of `stride` that lies over an image of `size`: (ceil(H / s), ceil(W / s))."""
    height, width = size
    return logits[..., : -(-height // stride), : -(-width // stride)]
