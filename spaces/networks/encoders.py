"""Configurations of networks on an encoder of timm, and of the two published transformer networks."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from spaces.networks.network import NetworkConfig
from spaces.networks.parts import BatchNorm, GroupNorm
from spaces.schema import Config, Count, Fraction, Positive

EncoderNorm = Annotated[BatchNorm | GroupNorm, Field(discriminator="kind")]
"""Batch normalization as timm builds it, or group normalization in place of every one of them."""

AtrousRates = Annotated[tuple[Count, ...], Field(min_length=1)]


class EncoderConfig(NetworkConfig):
    """What networks on an encoder of timm share: its name, and the normalization of the whole network."""

    encoder: Annotated[str, Field(min_length=1)]
    norm: EncoderNorm = BatchNorm()

    @property
    def words(self) -> str:
        """Family, encoder, normalization."""
        return f"{self.family} {self.encoder} {self.norm.kind}"


class DeepLabConfig(EncoderConfig):
    """DeepLabV3 (Chen et al. 2017) or DeepLabV3+ (Chen et al. 2018): dilated encoder, atrous pyramid of `width`.

    `output_stride` is the encoder's. Rates of which one reaches past the map act as a 1x1 convolution: on images of
    64x128 the map at stride 16 is 4x8.
    """

    family: Literal["deeplab"] = "deeplab"
    encoder: Annotated[str, Field(min_length=1)] = "resnet18"
    version: Literal["v3", "v3plus"] = "v3plus"
    output_stride: Literal[8, 16] = 16
    rates: tuple[Count, Count, Count] = (1, 2, 4)
    width: Count = 256
    dropout: Fraction = 0.5


class UNetDecoder(Config):
    """Upsampling, concatenation with the skip and two convolutions a level, `width` channels at the finest."""

    kind: Literal["unet"] = "unet"
    width: Count = 16


class UNetPlusPlusDecoder(Config):
    """The nested skips of U-Net++, `width` channels at the finest level."""

    kind: Literal["unet_plus_plus"] = "unet_plus_plus"
    width: Count = 16


class FPNDecoder(Config):
    """Feature pyramid network (Kirillov et al. 2019), `width` channels in its segmentation branches."""

    kind: Literal["fpn"] = "fpn"
    width: Count = 64


EncoderDecoder = Annotated[UNetDecoder | UNetPlusPlusDecoder | FPNDecoder, Field(discriminator="kind")]


class EncoderNetConfig(EncoderConfig):
    """An encoder of timm, its levels at strides 2 to 2**`levels`, under a decoder."""

    family: Literal["encoder"] = "encoder"
    levels: Annotated[int, Field(ge=3, le=5)] = 4
    decoder: EncoderDecoder = UNetDecoder()


class RockSegLikeConfig(EncoderConfig):
    """A stand-in for RockSeg (Fan et al. 2023), whose code is not public.

    As its abstract says: part of a ResNet (to stride 16), then `blocks` transformer blocks of `width` channels; fusion
    of the low-level features of strides 2, 4 and 8 in `fusion_width` channels each; a decoder that joins both. All else
    is assumed.
    """

    family: Literal["rockseg_like"] = "rockseg_like"
    encoder: Annotated[str, Field(min_length=1)] = "resnet18"
    width: Count = 128
    blocks: Count = 2
    heads: Count = 4
    mlp_ratio: Positive = 4.0
    drop_path: Fraction = 0.0
    fusion_width: Count = 32

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads must divide width; {self.heads} heads do not divide {self.width}")
        return self


class HybridConfig(EncoderConfig):
    """U-Net and DeepLab in one (report 000's proposal): a dilated encoder, an atrous pyramid, and all skips.

    `pyramid_at`: the pyramid stands at the bottleneck, or on the decoder's finest feature, where large rates make
    sense. `width` is the pyramid's and `decoder_width` that of the finest decoder level.
    """

    family: Literal["hybrid"] = "hybrid"
    encoder: Annotated[str, Field(min_length=1)] = "resnet18"
    output_stride: Literal[8, 16] = 16
    rates: AtrousRates = (1, 2, 4)
    width: Count = 128
    pyramid_at: Literal["bottleneck", "decoder"] = "bottleneck"
    decoder_width: Count = 16
    dropout: Fraction = 0.1


class Light4MarsConfig(NetworkConfig):
    """Light4Mars (Xiong et al. 2024, CVIR-Lab/Light4Mars): four stages of windowed attention, widths `width` * 2**i.

    The published code shares one layer normalization between both halves of a layer (`shared_norm`), adds the input of
    the second half twice (`double_residual`), and attends to the zeros that pad its windows (`masked_padding` False).
    T is width 8, S width 32, B width 32 with two `layers` a stage.
    """

    family: Literal["light4mars"] = "light4mars"
    width: Count = 8
    layers: Count = 1
    window: Count = 7
    drop_path: Fraction = 0.1
    shared_norm: bool = True
    double_residual: bool = True
    masked_padding: bool = False

    @property
    def words(self) -> str:
        """Family, width x layers."""
        return f"{self.family} {self.width}x{self.layers}"
