"""The U-Net: encoder, bottleneck, decoder, head."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.blocks import make_block
from models.bottlenecks import make_bottleneck
from models.context import make_global_context, make_squeeze_excitation
from models.fusion import BranchJoin
from models.gates import AdditiveGate, GridGates
from models.layers import Layers
from models.upsampling import make_upsampling, upsampled_channels
from spaces.networks import AdditiveGate as AdditiveGateConfig
from spaces.networks import OktayGridGate, UNetShape


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015) with 'same' padding and the options of `UNetShape`; see `models.frame`."""

    def __init__(self, shape: UNetShape, *, in_channels: int, classes: int) -> None:
        super().__init__()
        self.stride = coarsest_stride(shape)
        layers = Layers.of(shape)
        self.encoder = Encoder(shape, in_channels, layers)
        self.bottleneck = make_bottleneck_level(shape, layers)
        self.decoder = Decoder(shape, layers)
        self.head = Head(shape, classes)

    def forward(self, features: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map (N, in_channels, H, W), multiples of `stride`, to logits (N, classes, H, W).

        With deep supervision and in training mode: a tuple, those logits first, then the coarser decoder levels' at
        their own resolution.
        """
        skips, features = self.encoder(features)
        return self.head(self.decoder(self.bottleneck(features), skips))


class Encoder(nn.Module):
    """Blocks with 2x2 max pooling after each, at strides 1, 2, ..., 2**(depth - 2)."""

    def __init__(self, shape: UNetShape, in_channels: int, layers: Layers) -> None:
        super().__init__()
        channels = [in_channels, *level_channels(shape)[:-1]]
        self.blocks = nn.ModuleList(
            make_block(shape.residual, channels[i], channels[i + 1], shape.convs, layers, stem=i == 0)
            for i in range(shape.depth - 1)
        )
        self.pool = nn.MaxPool2d(2)

    def forward(self, features: Tensor) -> tuple[list[Tensor], Tensor]:
        """The features of each level, finest first, and the pooled last one for the bottleneck."""
        skips = []
        for block in self.blocks:
            skips.append(block(features))
            features = self.pool(skips[-1])
        return skips, features


def make_bottleneck_level(shape: UNetShape, layers: Layers) -> nn.Sequential:
    """The coarsest level, in this order: block, bottleneck module, global context, squeeze-and-excitation."""
    *_, above, channels = level_channels(shape)
    modules = [make_block(shape.residual, above, channels, shape.convs, layers)]
    if shape.bottleneck is not None:
        modules.append(make_bottleneck(shape.bottleneck, channels, layers))
    if shape.context is not None:
        modules.append(make_global_context(shape.context, channels))
    if shape.squeeze_excitation:
        modules.append(make_squeeze_excitation(channels))
    return nn.Sequential(*modules)


class Decoder(nn.Module):
    """One `DecoderLevel` for each skip, coarsest first."""

    def __init__(self, shape: UNetShape, layers: Layers) -> None:
        super().__init__()
        self.grid_gates = make_grid_gates(shape, layers)
        self.levels = nn.ModuleList(DecoderLevel(shape, level, layers) for level in reversed(range(shape.depth - 1)))

    def forward(self, features: Tensor, skips: list[Tensor]) -> list[Tensor]:
        """Decode the bottleneck (N, C, h, w) with `skips`, finest first: the feature of each level, finest first."""
        if self.grid_gates is not None:
            skips = self.grid_gates(skips, features)
        decoded = []
        finer = [*skips[:-1][::-1], None]
        for level, skip, above in zip(self.levels, reversed(skips), finer, strict=True):
            features = level(features, skip, above)
            decoded.append(features)
        return decoded[::-1]


class DecoderLevel(nn.Module):
    """Upsamples the feature below, gates the skip where asked, joins both and runs a block.

    They are concatenated or, with branch fusion, fused with each other and with the finer level's skip, pooled.
    """

    def __init__(self, shape: UNetShape, level: int, layers: Layers) -> None:
        super().__init__()
        channels, below = level_channels(shape)[level : level + 2]
        upsampled = upsampled_channels(shape.upsampling, below, channels)
        self.upsample = make_upsampling(shape.upsampling, below, channels, layers)
        self.gate = (
            AdditiveGate(upsampled, channels, shape.gate.ratio, layers)
            if isinstance(shape.gate, AdditiveGateConfig)
            else None
        )
        branches = [channels, upsampled] + ([channels // 2] if level > 0 else [])
        self.join = BranchJoin(branches, channels, shape.fusion, layers) if shape.fusion is not None else None
        joined = channels + upsampled if shape.fusion is None else channels
        self.block = make_block(shape.residual, joined, channels, shape.convs, layers)

    def forward(self, below: Tensor, skip: Tensor, finer: Tensor | None) -> Tensor:
        """Join `below` (N, C', H / 2, W / 2), `skip` (N, C, H, W) and `finer` (N, C / 2, 2H, 2W) to (N, C, H, W)."""
        upsampled = self.upsample(below)
        if self.gate is not None:
            skip = self.gate(upsampled, skip)
        if self.join is None:
            return self.block(torch.cat([skip, upsampled], dim=1))
        pooled = [] if finer is None else [functional.avg_pool2d(finer, 2)]
        return self.block(self.join([skip, upsampled, *pooled]))


class Head(nn.Module):
    """1x1 convolutions to logits: one on the finest level, and with deep supervision one on each coarser level."""

    def __init__(self, shape: UNetShape, classes: int) -> None:
        super().__init__()
        main, *coarser = level_channels(shape)[:-1]
        self.main = nn.Conv2d(main, classes, kernel_size=1)
        self.auxiliary = (
            nn.ModuleList(nn.Conv2d(channels, classes, kernel_size=1) for channels in coarser)
            if shape.deep_supervision is not None
            else None
        )

    def forward(self, levels: list[Tensor]) -> Tensor | tuple[Tensor, ...]:
        """Logits of the finest of `levels`; in training the coarser ones' too, at their own resolution."""
        main = self.main(levels[0])
        if self.auxiliary is None or not self.training:
            return main
        return (main, *(head(level) for head, level in zip(self.auxiliary, levels[1:], strict=True)))


def level_channels(shape: UNetShape) -> list[int]:
    """Channels of each level, finest first, the bottleneck last."""
    return [shape.width * 2**level for level in range(shape.depth)]


def coarsest_stride(shape: UNetShape) -> int:
    """Stride of the bottleneck."""
    return 2 ** (shape.depth - 1)


def make_grid_gates(shape: UNetShape, layers: Layers) -> GridGates | None:
    """Grid gates, where the configuration asks for them and there is a skip below the finest."""
    if not isinstance(shape.gate, OktayGridGate) or shape.depth == 2:
        return None
    *skips, bottleneck = level_channels(shape)
    return GridGates(bottleneck, skips, shape.gate.ratio, layers)
