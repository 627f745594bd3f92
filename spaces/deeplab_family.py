"""The space `deeplab_family`: DeepLabV3 and DeepLabV3+ on ResNets."""

from spaces.domains import Branch, Choice, Float
from spaces.facts import DataFacts
from spaces.families import Axes, one_family
from spaces.reports import report_points
from spaces.space import SearchSpace
from spaces.unet_family import atrous_rates, default_patch, patch_axes

RESNETS = ("resnet10t", "resnet18", "resnet34", "resnet50")
FINEST_STRIDE = 8


def deeplab_family(facts: DataFacts) -> SearchSpace:
    """DeepLabV3 and DeepLabV3+: dilated ResNets, atrous pyramids with rates that fit the map."""
    return one_family("deeplab_family", facts, "deeplab", deeplab_axes(facts), report_points(facts))


def deeplab_axes(facts: DataFacts, encoders: tuple[str, ...] = RESNETS) -> Axes:
    """DeepLab on any of `encoders`."""
    return {
        **patch_axes(facts),
        "encoder": Choice(encoders, default=encoders[0]),
        "norm": encoder_norm_axes(),
        "version": Choice(("v3", "v3plus"), default="v3plus"),
        "output_stride": Choice((8, 16), default=16),
        "rates": pyramid_rates(facts),
        "width": Choice((64, 128, 256), default=64),
        "dropout": Float(0.0, 0.5, default=0.1),
    }


def pyramid_rates(facts: DataFacts) -> Choice:
    """Rates that fit a map of stride 8 at the default patch or, where the data is small, the two mildest."""
    return Choice(atrous_rates(facts, FINEST_STRIDE * default_patch(facts)), default=(1, 2, 4))


def encoder_norm_axes() -> Branch:
    """Normalization of a network on an encoder of timm."""
    return Branch({"batch": {}, "group": {"groups": Choice((8, 16, 32), default=8)}}, default="batch")
