"""Configurations of what networks are made of: normalization, attention gates, bottlenecks, fusion of branches."""

from typing import Annotated, Literal

from pydantic import Field

from spaces.schema import Config, Count, Fraction, Positive


class BatchNorm(Config):
    """torch.nn.BatchNorm2d."""

    kind: Literal["batch"] = "batch"


class GroupNorm(Config):
    """torch.nn.GroupNorm; the group count is lowered to gcd(groups, channels) where it does not divide."""

    kind: Literal["group"] = "group"
    groups: Count = 8


class InstanceNorm(Config):
    """torch.nn.InstanceNorm2d(affine=True)."""

    kind: Literal["instance"] = "instance"


class LayerNorm2d(Config):
    """Layer normalization over the channels of each pixel (timm.layers.LayerNorm2d)."""

    kind: Literal["layer2d"] = "layer2d"


class WeightStandardization(Config):
    """No normalization layer; convolutions standardize their weights (timm.layers.ScaledStdConv2d)."""

    kind: Literal["weight_standardization"] = "weight_standardization"


class NoNorm(Config):
    """No normalization at all, as in the original U-Net."""

    kind: Literal["none"] = "none"


Norm = Annotated[
    BatchNorm | GroupNorm | InstanceNorm | LayerNorm2d | WeightStandardization | NoNorm, Field(discriminator="kind")
]


class OktayGridGate(Config):
    """Grid attention gates of Attention U-Net (Oktay et al. 2018), gated by the bottleneck."""

    kind: Literal["oktay_grid"] = "oktay_grid"
    ratio: Fraction = 1.0


class AdditiveGate(Config):
    """Additive attention gates, each gated by the upsampled decoder feature (LeeJunHyun's AttU_Net)."""

    kind: Literal["additive"] = "additive"
    ratio: Fraction = 0.5


Gate = Annotated[OktayGridGate | AdditiveGate, Field(discriminator="kind")]


class ASPP(Config):
    """Atrous spatial pyramid pooling (DeepLabV3): 1x1, 3x3 at each rate, image pooling; `width` channels each."""

    kind: Literal["aspp"] = "aspp"
    rates: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 2, 4)
    width: Count = 128


class ParallelDilated(Config):
    """Parallel 3x3 convolutions at `rates`, fused by addition or by concatenation and a 1x1 (report 000).

    `normalized`: the network's normalization follows each of them.
    """

    kind: Literal["parallel_dilated"] = "parallel_dilated"
    rates: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 2, 4)
    fusion: Literal["add", "concat"] = "add"
    normalized: bool = False


class TransformerBlocks(Config):
    """What the transformer bottlenecks share."""

    blocks: Count = 1
    heads: Count = 4
    mlp_ratio: Positive = 2.0
    drop_path: Fraction = 0.0


class WindowAttention(TransformerBlocks):
    """Pairs of shifted-window transformer blocks (Swin); `blocks` counts pairs."""

    kind: Literal["window_attention"] = "window_attention"
    window: Count = 4


class GlobalAttention(TransformerBlocks):
    """Transformer blocks over all positions of the bottleneck, with a fixed 2-D sine position embedding."""

    kind: Literal["global_attention"] = "global_attention"


Bottleneck = Annotated[ASPP | ParallelDilated | WindowAttention | GlobalAttention, Field(discriminator="kind")]


class BranchFusion(Config):
    """How a decoder level joins several feature maps (multi-branch fusion, report 001).

    Each branch is aligned by a 1x1 convolution; `merge` joins them by concatenation and a 1x1, by addition, or by a sum
    whose weights a softmax over their means gives; `attention` reweighs the result; a separable 3x3 ends it.
    """

    merge: Literal["concat", "add", "gated"] = "add"
    attention: Literal["none", "se", "cbam", "spatial"] = "none"
