"""DeepLabV3 and DeepLabV3+ on an encoder of timm."""

import segmentation_models_pytorch as smp
from torch import Tensor, nn

from models.replace_norm import replace_batch_norm
from models.timm_encoders import check_encoder
from spaces.networks import DeepLabConfig


class DeepLab(nn.Module):
    """DeepLabV3 (Chen et al. 2017) or V3+ (Chen et al. 2018) of segmentation_models_pytorch, see `DeepLabConfig`.

    The encoder is dilated to `output_stride`, which is the `stride` of the network: see `models.frame`.
    """

    def __init__(self, config: DeepLabConfig, *, in_channels: int, classes: int) -> None:
        super().__init__()
        check_encoder(config.encoder, output_stride=config.output_stride)
        self.stride = config.output_stride
        architecture = smp.DeepLabV3 if config.version == "v3" else smp.DeepLabV3Plus
        self.network = architecture(
            encoder_name=f"tu-{config.encoder}",
            encoder_weights=None,
            encoder_output_stride=config.output_stride,
            decoder_channels=config.width,
            decoder_atrous_rates=config.rates,
            decoder_aspp_dropout=config.dropout,
            in_channels=in_channels,
            classes=classes,
        )
        replace_batch_norm(self.network, config.norm)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, H, W), multiples of `stride`, to logits (N, classes, H, W)."""
        return self.network(features)
