"""What stands around every network: padding, input normalization and patches before it, the image's logits behind."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from spaces.networks import EncoderConfig, NetworkConfig


class Framed(nn.Module):
    """A network that takes images of any height and width from 1 up.

    Images are padded at the bottom and on the right to what `network` can take, see `pad_to_stride`, normalized where
    `input_norm` asks for it, and rearranged into patches; logits are interpolated back and cropped to the image. Before
    an encoder of timm, images are standardized as its weights expect, see `Standardize`.

    `network` has an integer `stride`, which divides the height and the width of the features (N, C, h, w) that it gets,
    and returns logits (N, K, h, w), or in training mode a tuple of them, those first and auxiliary ones (N, K, h / s,
    w / s) behind.
    """

    def __init__(self, network: nn.Module, config: NetworkConfig) -> None:
        super().__init__()
        self.patch = config.patch
        self.stride = config.patch * cast("int", network.stride)
        has_encoder = isinstance(config, EncoderConfig)
        self.standardize = Standardize(config.in_channels) if has_encoder else nn.Identity()
        self.input_norm = nn.BatchNorm2d(config.in_channels) if config.input_norm else nn.Identity()
        self.network = network

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map images (N, in_channels, H, W) to logits (N, classes, H, W).

        With auxiliary heads and in training mode: a tuple, those logits first, then the auxiliary ones at their own
        resolution, (N, classes, ceil(H / s), ceil(W / s)) at stride s. (Upsampled ones cost a third of a training step
        and gained nothing.)
        """
        height, width = images.shape[-2:]
        padded = pad_to_stride(images, self.stride)
        normalized = self.input_norm(self.standardize(padded))
        outputs = self.network(to_patches(normalized, self.patch))
        if isinstance(outputs, Tensor):
            return self._logits(outputs, height, width)
        main, *auxiliary = outputs
        coarser = [crop(logits, height, width, stride=padded.shape[-2] // logits.shape[-2]) for logits in auxiliary]
        return (self._logits(main, height, width), *coarser)

    def _logits(self, logits: Tensor, height: int, width: int) -> Tensor:
        return crop(from_patches(logits, self.patch), height, width, stride=1)


class Standardize(nn.Module):
    """(image - mean) / std for each channel, fixed: the identity, unless pretrained weights came with other values.

    Both are part of the weights. Who loads a trained network, or trains it further, so gets what it was trained on.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, C, H, W) in 0 to 1 to the same shape."""
        return (images - self.mean[:, None, None]) / self.std[:, None, None]


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


def crop(logits: Tensor, height: int, width: int, *, stride: int) -> Tensor:
    """The part of logits (N, K, h, w) of `stride` that lies over an image: (ceil(H / s), ceil(W / s))."""
    return logits[..., : -(-height // stride), : -(-width // stride)]
