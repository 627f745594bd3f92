"""Encoders of timm, their weights random: which ones can serve, and the feature maps that they give."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import cast

import torch
from timm.models import FeatureInfo, create_model, get_pretrained_cfg, list_models
from timm.models.efficientnet import EfficientNetFeatures
from timm.models.hrnet import HighResolutionNetFeatures
from timm.models.mobilenetv3 import MobileNetV3Features
from torch import Tensor, nn

FULL_STRIDE = 32
"""Stride of the deepest feature of an encoder that is not dilated."""

PROBE = (2 * FULL_STRIDE, 5 * FULL_STRIDE)
"""Height and width of the image that an encoder is tried with: unequal, and no multiple of common window sizes."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One feature map of an encoder: its index in timm's list, its channels and its stride."""

    index: int
    channels: int
    stride: int


def check_encoder(name: str, *, output_stride: int = FULL_STRIDE) -> None:
    """Raise ValueError where timm has no encoder `name` that gives features of images of any size.

    With an `output_stride` below 32: nor where it cannot be dilated to that stride.
    """
    encoder_features(name, output_stride=output_stride)


@cache
def encoder_features(name: str, *, output_stride: int = FULL_STRIDE) -> tuple[Feature, ...]:
    """The feature maps of timm's encoder `name`, finest first. Raises ValueError as `check_encoder` says."""
    if name not in list_models():
        near = get_close_matches(name, list_models(), n=3, cutoff=0.5)
        suggestion = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() lists them"
        raise ValueError(
            f"an encoder is a model of timm, named without the tag of its weights; got {name!r}: {suggestion}"
        )
    configuration = get_pretrained_cfg(name)
    if configuration is not None and configuration.fixed_input_size:
        raise ValueError(
            f"an encoder takes images of any size; {name!r} is made for one fixed size: "
            "take a convolutional one, such as resnet18 or convnext_atto"
        )
    features = _probed_features(name, output_stride)
    _check_strides(name, [feature.stride for feature in features], output_stride)
    return features


def _check_strides(name: str, strides: list[int], output_stride: int) -> None:
    expected = [min(strides[0] * 2**level, output_stride) for level in range(len(strides))]
    if strides[0] not in (1, 2, 4) or strides != expected or strides[-1] != output_stride:
        raise ValueError(
            f"an encoder's features are at strides that double from 1, 2 or 4 up to {output_stride}; "
            f"{name!r} gives {strides}: take another one, such as resnet18"
        )


def _probed_features(name: str, output_stride: int) -> tuple[Feature, ...]:
    # In a thread of its own: a mode of this thread that counts operations must not count the ones tried here.
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            return thread.submit(_probe, name, output_stride).result()
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            dilated = f" dilated to stride {output_stride}" if output_stride < FULL_STRIDE else ""
            raise ValueError(
                f"an encoder gives feature maps of images of any size; {name!r}{dilated} does not "
                f"({type(error).__name__}: {error}): take another one, such as resnet18"
            ) from error


def _probe(name: str, output_stride: int) -> tuple[Feature, ...]:
    with torch.device("meta"), torch.no_grad():
        encoder = create_model(
            name, pretrained=False, features_only=True, output_stride=_dilation(output_stride)
        ).eval()
        maps = to_channels_first(encoder, encoder(torch.empty(1, 3, *PROBE)))
    if isinstance(encoder, HighResolutionNetFeatures):
        raise ValueError("the stages of an HRNet exchange features of all strides, and cannot be left out")
    info = feature_info(encoder)
    found = zip(info.out_indices, info.channels(), info.reduction(), strict=True)
    features = tuple(Feature(index=index, channels=channels, stride=stride) for index, channels, stride in found)
    for feature, tensor in zip(features, maps, strict=True):
        expected = (1, feature.channels, PROBE[0] // feature.stride, PROBE[1] // feature.stride)
        if tuple(tensor.shape) != expected:
            raise ValueError(f"a feature of shape {tuple(tensor.shape)} where its stride says {expected}")
    return features


def _dilation(output_stride: int) -> int | None:
    # Many of timm's models know no such argument; timm drops what is None.
    return None if output_stride == FULL_STRIDE else output_stride


def feature_info(encoder: nn.Module) -> FeatureInfo:
    """What timm says of the features of a model that it made with `features_only`."""
    return cast("FeatureInfo", encoder.feature_info)


def to_channels_first(encoder: nn.Module, maps: list[Tensor]) -> list[Tensor]:
    """The maps of an encoder as (N, C, H, W): some of timm's models give (N, H, W, C)."""
    if getattr(encoder, "output_fmt", "NCHW") == "NHWC":
        return [tensor.permute(0, 3, 1, 2) for tensor in maps]
    return maps


def drop_unused_stages(encoder: nn.Module) -> None:
    """Leave out, in place, the stages of timm's encoder behind the last feature that it gives.

    timm does so for most models when it builds them; EfficientNets and MobileNets would compute the rest for nothing.
    """
    if isinstance(encoder, EfficientNetFeatures | MobileNetV3Features):
        *_, last = cast("list[int]", feature_info(encoder).get("stage"))
        encoder.blocks = encoder.blocks[:last]


class TimmEncoder(nn.Module):
    """The `features` of timm's encoder `name`; stages behind the last of them are left out."""

    def __init__(
        self, name: str, features: list[Feature], *, in_channels: int, output_stride: int = FULL_STRIDE
    ) -> None:
        super().__init__()
        self.encoder = create_model(
            name,
            pretrained=False,
            features_only=True,
            in_chans=in_channels,
            out_indices=tuple(feature.index for feature in features),
            output_stride=_dilation(output_stride),
        )
        drop_unused_stages(self.encoder)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (N, in_channels, H, W) to one map (N, C, H / s, W / s) for each of `features`."""
        return to_channels_first(self.encoder, self.encoder(images))
