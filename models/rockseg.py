"""A stand-in for RockSeg: part of a ResNet, transformer blocks, multi-scale fusion of low-level features."""

import torch
from torch import Tensor, nn

from models.attention import GlobalSelfAttention
from models.layers import Layers
from models.replace_norm import replace_batch_norm
from models.timm_encoders import TimmEncoder, encoder_features
from models.upsampling import resize
from spaces.networks import GlobalAttention, RockSegLikeConfig

DEEPEST_STRIDE = 16
FUSION_STRIDE = 4


class RockSegLike(nn.Module):
    """A stand-in for RockSeg (Fan et al. 2023), whose code is not public; see `RockSegLikeConfig`.

    The encoder's features at stride 16 are projected to `width` channels and go through pre-norm transformer blocks
    with a sine position embedding. They are upsampled to stride 4, joined with the fused low-level features, decoded by
    two convolutions of `width` channels, and the logits upsampled to the image.
    """

    stride = DEEPEST_STRIDE

    def __init__(self, config: RockSegLikeConfig, *, in_channels: int, classes: int) -> None:
        super().__init__()
        features = [f for f in encoder_features(config.encoder) if 1 < f.stride <= DEEPEST_STRIDE]
        *low_level, deepest = features
        layers = Layers(norm=config.norm, activation="relu", dropout_rate=0.0)
        self.encoder = TimmEncoder(config.encoder, features, in_channels=in_channels)
        replace_batch_norm(self.encoder, config.norm)
        self.project = nn.Conv2d(deepest.channels, config.width, kernel_size=1)
        self.attention = GlobalSelfAttention(config.width, _attention(config))
        self.fusion = MultiScaleFusion([feature.channels for feature in low_level], config.fusion_width, layers)
        self.decoder = nn.Sequential(
            layers.conv_norm_act(config.width + config.fusion_width, config.width, bias=False),
            layers.conv_norm_act(config.width, config.width, bias=False),
        )
        self.head = nn.Conv2d(config.width, classes, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, H, W), multiples of `stride`, to logits (N, classes, H, W)."""
        height, width = features.shape[-2:]
        *low_level, deepest = self.encoder(features)
        fused = self.fusion(low_level, (height // FUSION_STRIDE, width // FUSION_STRIDE))
        attended = resize(self.attention(self.project(deepest)), fused.shape[-2:])
        logits = self.head(self.decoder(torch.cat([attended, fused], dim=1)))
        return resize(logits, (height, width))


class MultiScaleFusion(nn.Module):
    """Low-level features of several strides, each in `width` channels, concatenated and fused by a convolution."""

    def __init__(self, channels: list[int], width: int, layers: Layers) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(count, width, kernel_size=1) for count in channels)
        self.fuse = layers.conv_norm_act(width * len(channels), width, bias=False)

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Join maps (N, C, h, w) of several strides to (N, width, *size)."""
        projected = [resize(conv(one), size) for conv, one in zip(self.project, maps, strict=True)]
        return self.fuse(torch.cat(projected, dim=1))


def _attention(config: RockSegLikeConfig) -> GlobalAttention:
    return GlobalAttention(
        blocks=config.blocks, heads=config.heads, mlp_ratio=config.mlp_ratio, drop_path=config.drop_path
    )
