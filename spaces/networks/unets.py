"""Configurations of the U-Net and of the networks that are made like one."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from spaces.networks.network import NetworkConfig
from spaces.networks.parts import BatchNorm, Bottleneck, BranchFusion, Gate, GlobalAttention, Norm, WindowAttention
from spaces.schema import Count, Fraction

Upsampling = Literal["tconv2", "tconv3", "upconv3", "upcat"]
Activation = Literal["relu", "leaky_relu", "silu", "mish"]


class ConvolutionalConfig(NetworkConfig):
    """What networks of convolution blocks share. `dropout` drops whole channels behind each block."""

    activation: Activation = "relu"
    norm: Norm = BatchNorm()
    dropout: Fraction = 0.0


class UNetShape(ConvolutionalConfig):
    """A U-Net (Ronneberger et al. 2015, padded) with the parts that the two reports tried.

    `depth` counts resolution levels, the bottleneck among them: level i has `width * 2**i` channels at stride
    `patch * 2**i`, and blocks of `convs` convolutions.

    - `upsampling`: transposed convolution of kernel 2 or 3 (`tconv2`, `tconv3`), nearest neighbour and a convolution
      (`upconv3`), nearest neighbour alone (`upcat`).
    - `residual`: the input added behind the block's convolutions (`post_add`), or blocks of normalization, activation,
      convolution (`pre_act`, He et al. 2016).
    - `fusion`: how a decoder level joins its skip, the level below and the finer skip; None concatenates the first two.
    - At the coarsest level, in this order: `bottleneck`; `context`, which is GCNet's block (`gc`) or scales channels by
      their mean (`avg_mul`); `squeeze_excitation`.
    - `deep_supervision`: weight of the loss of auxiliary heads at coarser levels.
    """

    depth: Annotated[int, Field(ge=2, le=7)] = 4
    width: Count = 16
    convs: Count = 2
    upsampling: Upsampling = "tconv2"
    residual: Literal["none", "post_add", "pre_act"] = "none"
    gate: Gate | None = None
    fusion: BranchFusion | None = None
    bottleneck: Bottleneck | None = None
    context: Literal["gc", "avg_mul"] | None = None
    squeeze_excitation: bool = False
    deep_supervision: Fraction | None = None

    @property
    def words(self) -> str:
        """Family, width x depth, normalization, and the parts that attend."""
        parts = [part.kind for part in (self.bottleneck, self.gate) if part is not None]
        return " ".join([self.family, f"{self.width}x{self.depth}", self.norm.kind, *parts])

    @property
    def bottleneck_channels(self) -> int:
        """Channels of the coarsest level."""
        return self.width * 2 ** (self.depth - 1)

    @property
    def auxiliary_weight(self) -> float | None:
        """Weight of the loss of auxiliary heads."""
        return self.deep_supervision

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


class UNetConfig(UNetShape):
    """One U-Net, see `UNetShape`."""

    family: Literal["unet"] = "unet"


class DualUNetConfig(UNetShape):
    """Two U-Nets in a row, both as `UNetShape` says; the second one sees the image and the class probabilities of the
    first. With `deep_supervision` the first one's logits are an auxiliary head, and the only one.
    """

    family: Literal["dual_unet"] = "dual_unet"


class ExpertsConfig(UNetShape):
    """One expert a class, each a U-Net or a decoder of its own, told apart by argmax over calibrated logits.

    Each logit says "this class or not" (report 000's proposal). `networks`: a whole U-Net a class; `decoders`: one
    encoder and bottleneck, a decoder a class. `threshold_class` has no expert and a logit of 0: it is what remains
    where no expert is confident. Usually the background.
    """

    family: Literal["experts"] = "experts"
    arrangement: Literal["networks", "decoders"] = "decoders"
    threshold_class: Annotated[int, Field(ge=0)] | None = None

    @property
    def one_vs_rest(self) -> bool:
        """Each logit is one class against the rest."""
        return True

    @model_validator(mode="after")
    def _threshold_class_exists(self) -> Self:
        if self.threshold_class is not None and self.threshold_class >= self.classes:
            raise ValueError(f"threshold_class is one of 0..{self.classes - 1}, got {self.threshold_class}")
        return self


class UNetPlusPlusConfig(ConvolutionalConfig):
    """U-Net++ (Zhou et al. 2018): nested skips, X(i, j) = block([X(i, 0..j-1), up X(i+1, j-1)]), bilinear upsampling.

    `depth` and `width` as in a U-Net. `deep_supervision`: weight of the loss of the heads on X(0, 1..depth-2); all are
    at full resolution.
    """

    family: Literal["unet_plus_plus"] = "unet_plus_plus"
    depth: Annotated[int, Field(ge=2, le=6)] = 4
    width: Count = 16
    convs: Count = 2
    deep_supervision: Fraction | None = None

    @property
    def words(self) -> str:
        """Family, width x depth, normalization."""
        return f"{self.family} {self.width}x{self.depth} {self.norm.kind}"

    @property
    def auxiliary_weight(self) -> float | None:
        """Weight of the loss of auxiliary heads."""
        return self.deep_supervision


class UWNetConfig(ConvolutionalConfig):
    """Attention UW-Net (Pal et al. 2022): gated skips and a W-shaped middle, widths `width` to 16 * `width`."""

    family: Literal["uw_net"] = "uw_net"
    width: Count = 32

    @property
    def words(self) -> str:
        """Family, width, normalization."""
        return f"{self.family} {self.width} {self.norm.kind}"
