"""An encoder of timm under the decoder of a U-Net, a U-Net++ or a feature pyramid network."""

from typing import cast

import segmentation_models_pytorch as smp
from torch import Tensor, nn

from models.replace_norm import replace_batch_norm
from models.timm_encoders import drop_unused_stages, encoder_features
from spaces.networks import EncoderNetConfig, FPNDecoder, UNetDecoder, UNetPlusPlusDecoder

FPN_GROUPS = 32
"""Groups of the group normalization in the segmentation branches of the feature pyramid (Kirillov et al. 2019)."""


class EncoderNet(nn.Module):
    """An encoder and a decoder of segmentation_models_pytorch, see `EncoderNetConfig`.

    The decoder of a U-Net or U-Net++ has `width` channels at stride 1, and twice as many at each coarser level; an
    encoder without features at stride 2 gives it no skip there. A feature pyramid joins the four deepest levels, with
    `width` channels in its segmentation branches and twice as many in the pyramid; at three levels, the finest of
    those four is the image.
    """

    def __init__(self, config: EncoderNetConfig, *, in_channels: int, classes: int) -> None:
        super().__init__()
        _check_levels(config)
        self.stride = 2**config.levels
        self.network = _make_network(config, in_channels, classes)
        drop_unused_stages(cast("nn.Module", self.network.encoder.model))
        replace_batch_norm(self.network, config.norm)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, H, W), multiples of `stride`, to logits (N, classes, H, W)."""
        return self.network(features)


def _make_network(config: EncoderNetConfig, in_channels: int, classes: int) -> smp.Unet | smp.UnetPlusPlus | smp.FPN:
    match config.decoder:
        case UNetDecoder() | UNetPlusPlusDecoder() as decoder:
            architecture = smp.Unet if isinstance(decoder, UNetDecoder) else smp.UnetPlusPlus
            return architecture(
                encoder_name=f"tu-{config.encoder}",
                encoder_depth=config.levels,
                encoder_weights=None,
                decoder_channels=[decoder.width * 2**level for level in reversed(range(config.levels))],
                in_channels=in_channels,
                classes=classes,
            )
        case FPNDecoder() as decoder:
            return smp.FPN(
                encoder_name=f"tu-{config.encoder}",
                encoder_depth=config.levels,
                encoder_weights=None,
                decoder_pyramid_channels=2 * decoder.width,
                decoder_segmentation_channels=decoder.width,
                decoder_dropout=0.0,
                in_channels=in_channels,
                classes=classes,
                upsampling=2 ** (config.levels - 3),
            )


def _check_levels(config: EncoderNetConfig) -> None:
    finest = encoder_features(config.encoder)[0].stride
    if not isinstance(config.decoder, FPNDecoder):
        return
    if config.decoder.width % FPN_GROUPS:
        raise ValueError(
            f"the width of an fpn decoder is a multiple of {FPN_GROUPS}, the groups of its normalization; "
            f"got {config.decoder.width}: take {-(-config.decoder.width // FPN_GROUPS) * FPN_GROUPS}"
        )
    if finest > 2 and config.levels < 5:
        raise ValueError(
            f"an fpn decoder joins four levels of features, and those of {config.encoder!r} start at stride {finest}; "
            f"got levels {config.levels}: take levels 5, or a unet decoder"
        )
