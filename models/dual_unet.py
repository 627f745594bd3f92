"""Two U-Nets in a row."""

import torch
from torch import Tensor, nn

from models.unet import UNet
from spaces.networks import DualUNetConfig


class DualUNet(nn.Module):
    """Two U-Nets, the second of which sees the features and the class probabilities of the first; see `models.frame`.

    Gradients run through the probabilities. With deep supervision the first one's logits are the only auxiliary ones.
    """

    def __init__(self, config: DualUNetConfig, *, in_channels: int, classes: int) -> None:
        super().__init__()
        single = config.model_copy(update={"deep_supervision": None})
        self.first = UNet(single, in_channels=in_channels, classes=classes)
        self.second = UNet(single, in_channels=in_channels + classes, classes=classes)
        self.stride = self.first.stride
        self.supervises_first = config.deep_supervision is not None

    def forward(self, features: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map (N, in_channels, H, W), multiples of `stride`, to the second U-Net's logits (N, classes, H, W).

        With deep supervision and in training mode: a tuple, those logits and the first U-Net's, of the same shape.
        """
        first = self.first(features)
        second = self.second(torch.cat([features, first.softmax(dim=1)], dim=1))
        return (second, first) if self.supervises_first and self.training else second
