"""U-Net and DeepLab in one: dilated encoder, atrous pyramid, a decoder with all skips."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.blocks import conv_stack
from models.bottlenecks import AtrousPyramid
from models.layers import Layers
from models.replace_norm import replace_batch_norm
from models.timm_encoders import Feature, TimmEncoder, encoder_features
from spaces.networks import HybridConfig


class Hybrid(nn.Module):
    """Report 000's proposal, see `HybridConfig`: DeepLab's encoder and pyramid under the decoder of a U-Net.

    The skips are the encoder's features at every stride from 2 to below `output_stride`; the decoder has
    `decoder_width` channels at stride 1, where there is no skip, and `decoder_width * s` at stride s.
    """

    def __init__(self, config: HybridConfig, *, in_channels: int, classes: int) -> None:
        super().__init__()
        self.stride = config.output_stride
        *skips, deepest = used = _used_features(config)
        self.encoder = TimmEncoder(config.encoder, used, in_channels=in_channels, output_stride=config.output_stride)
        replace_batch_norm(self.encoder, config.norm)
        at_bottleneck = config.pyramid_at == "bottleneck"
        self.bottleneck = _make_pyramid(config, deepest.channels) if at_bottleneck else nn.Identity()
        self.decoder = SkipDecoder(config, config.width if at_bottleneck else deepest.channels, skips)
        self.refinement = nn.Identity() if at_bottleneck else _make_pyramid(config, config.decoder_width)
        self.head = nn.Conv2d(config.decoder_width if at_bottleneck else config.width, classes, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, H, W), multiples of `stride`, to logits (N, classes, H, W)."""
        *skips, deepest = self.encoder(features)
        decoded = self.decoder(self.bottleneck(deepest), skips)
        return self.head(self.refinement(decoded))


class SkipDecoder(nn.Module):
    """Doubles the resolution until it is the image's; each level joins the skip of its stride, where there is one."""

    def __init__(self, config: HybridConfig, in_channels: int, skips: list[Feature]) -> None:
        super().__init__()
        layers = Layers(norm=config.norm, activation="relu", dropout_rate=0.0)
        skip_channels = {skip.stride: skip.channels for skip in skips}
        self.skip_strides = list(skip_channels)
        self.levels = nn.ModuleDict()
        stride, channels = config.output_stride // 2, in_channels
        while stride:
            width = config.decoder_width * stride
            self.levels[str(stride)] = conv_stack(channels + skip_channels.get(stride, 0), width, 2, layers)
            stride, channels = stride // 2, width

    def forward(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        """Decode (N, C, h, w) with `skips`, finest first, to (N, decoder_width, H, W)."""
        skip_at = dict(zip(self.skip_strides, skips, strict=True))
        for stride, block in self.levels.items():
            features = functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
            if int(stride) in skip_at:
                features = torch.cat([skip_at[int(stride)], features], dim=1)
            features = block(features)
        return features


def _used_features(config: HybridConfig) -> list[Feature]:
    """The skips, finest first, and behind them the deepest feature."""
    features = encoder_features(config.encoder, output_stride=config.output_stride)
    skips = [feature for feature in features if 1 < feature.stride < config.output_stride]
    return [*skips, features[-1]]


def _make_pyramid(config: HybridConfig, in_channels: int) -> AtrousPyramid:
    layers = Layers(norm=config.norm, activation="relu", dropout_rate=config.dropout)
    return AtrousPyramid(in_channels, config.width, config.width, config.rates, layers)
