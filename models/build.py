"""The one place where a model configuration becomes a network."""

from torch import nn

from models.deeplab import DeepLab
from models.dual_unet import DualUNet
from models.encoder_net import EncoderNet
from models.experts import Experts
from models.frame import Framed
from models.hybrid import Hybrid
from models.initialization import initialize
from models.light4mars import Light4Mars
from models.rockseg import RockSegLike
from models.unet import UNet
from models.unet_plus_plus import UNetPlusPlus
from models.uw_net import UWNet
from spaces.networks import (
    DeepLabConfig,
    DualUNetConfig,
    EncoderNetConfig,
    ExpertsConfig,
    HybridConfig,
    Light4MarsConfig,
    ModelConfig,
    RockSegLikeConfig,
    UNetConfig,
    UNetPlusPlusConfig,
    UWNetConfig,
)

NETWORKS = {
    UNetConfig: UNet,
    UNetPlusPlusConfig: UNetPlusPlus,
    UWNetConfig: UWNet,
    DualUNetConfig: DualUNet,
    ExpertsConfig: Experts,
    DeepLabConfig: DeepLab,
    EncoderNetConfig: EncoderNet,
    RockSegLikeConfig: RockSegLike,
    HybridConfig: Hybrid,
    Light4MarsConfig: Light4Mars,
}


def build_model(config: ModelConfig) -> nn.Module:
    """The network of `config`, with random weights drawn from torch's global generator.

    Its forward maps images (N, in_channels, H, W), H and W of any size, to logits (N, classes, H, W); in training mode
    and with auxiliary heads to a tuple of them, the main logits first.
    """
    network = NETWORKS[type(config)](config, in_channels=config.patched_channels, classes=config.classes)
    initialize(network, config.initialization)
    return Framed(network, config)
