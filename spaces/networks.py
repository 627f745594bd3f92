"""Configurations of networks: the parts of a U-Net, and the U-Net."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

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
    """Parallel 3x3 convolutions at `rates`, fused by addition or by concatenation and a 1x1 (report 000)."""

    kind: Literal["parallel_dilated"] = "parallel_dilated"
    rates: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 2, 4)
    fusion: Literal["add", "concat"] = "add"


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


class UNetConfig(Config):
    """A U-Net (Ronneberger et al. 2015, padded) with the parts that the two reports tried.

    `depth` counts resolution levels, the bottleneck among them: level i has `width * 2**i` channels at stride
    `patch * 2**i`. A patch of 2 or 4 rearranges each square of that side into channels before the first level
    (`pixel_unshuffle`); the logits are interpolated back. The whole network then works on a quarter or a sixteenth of
    the positions.

    - `upsampling`: transposed convolution of kernel 2 or 3 (`tconv2`, `tconv3`), nearest neighbour and a convolution
      (`upconv3`), nearest neighbour alone (`upcat`).
    - `residual`: the input added behind the block's convolutions (`post_add`), or blocks of normalization, activation,
      convolution (`pre_act`, He et al. 2016).
    - At the coarsest level, in this order: `bottleneck`; `context`, which is GCNet's block (`gc`) or scales channels by
      their mean (`avg_mul`); `squeeze_excitation`.
    - `deep_supervision`: weight of the loss of auxiliary heads at coarser levels; `dropout` drops whole channels.
    """

    family: Literal["unet"] = "unet"
    in_channels: Count
    classes: Annotated[int, Field(ge=2)]
    patch: Literal[1, 2, 4] = 1
    depth: Annotated[int, Field(ge=2, le=7)] = 4
    width: Count = 16
    convs: Count = 2
    upsampling: Literal["tconv2", "tconv3", "upconv3", "upcat"] = "tconv2"
    residual: Literal["none", "post_add", "pre_act"] = "none"
    activation: Literal["relu", "leaky_relu", "silu", "mish"] = "relu"
    norm: Norm = BatchNorm()
    dropout: Fraction = 0.0
    gate: Gate | None = None
    bottleneck: Bottleneck | None = None
    context: Literal["gc", "avg_mul"] | None = None
    squeeze_excitation: bool = False
    deep_supervision: Fraction | None = None
    input_norm: bool = False

    @property
    def bottleneck_channels(self) -> int:
        """Channels of the coarsest level."""
        return self.width * 2 ** (self.depth - 1)

    @model_validator(mode="after")
    def _heads_divide_channels(self) -> Self:
        if isinstance(self.bottleneck, WindowAttention | GlobalAttention):
            heads = self.bottleneck.heads
            if self.bottleneck_channels % heads:
                raise ValueError(
                    f"attention needs a number of heads that divides the bottleneck's channels; {heads} heads do not "
                    f"divide {self.bottleneck_channels} (width {self.width}, depth {self.depth})"
                )
        return self


ModelConfig = UNetConfig  # becomes a union, told apart by `family`, as soon as there is a second family
