"""The one place where a model configuration becomes a network."""

from torch import nn

from models.unet import UNet
from spaces.networks import ModelConfig, UNetConfig


def build_model(config: ModelConfig) -> nn.Module:
    """The network of `config`, with random weights drawn from torch's global generator.

    Its forward maps images (N, in_channels, H, W), H and W of any size, to logits (N, classes, H, W); in training mode
    and with deep supervision to a tuple of them, the main logits first.
    """
    match config:
        case UNetConfig():
            return UNet(config)
