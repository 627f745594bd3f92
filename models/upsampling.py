"""The four ways to double the resolution of a decoder feature: (N, C, H, W) -> (N, C', 2H, 2W); and to any other."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from models.layers import Layers

Upsampling = Literal["tconv2", "tconv3", "upconv3", "upcat"]


def make_upsampling(kind: Upsampling, in_channels: int, out_channels: int, layers: Layers) -> nn.Module:
    """Doubles H and W. `upcat` has no parameters and keeps `in_channels`, see `upsampled_channels`.

    `tconv3` equals Keras' `Conv2DTranspose(3, strides=2, padding="same")` in shape.
    """
    match kind:
        case "tconv2":
            return nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        case "tconv3":
            return nn.ConvTranspose2d(in_channels, out_channels, kernel_size=3, stride=2, padding=1, output_padding=1)
        case "upconv3":
            return nn.Sequential(nn.Upsample(scale_factor=2), layers.conv_norm_act(in_channels, out_channels))
        case "upcat":
            return nn.Upsample(scale_factor=2)


def upsampled_channels(kind: Upsampling, in_channels: int, out_channels: int) -> int:
    """Channels that `make_upsampling` returns."""
    return in_channels if kind == "upcat" else out_channels


def resize(features: Tensor, size: Sequence[int]) -> Tensor:
    """Interpolate (N, C, h, w) bilinearly to a `size` of (H, W), where that is another one."""
    if features.shape[-2:] == tuple(size):
        return features
    return functional.interpolate(features, size=list(size), mode="bilinear", align_corners=False)
