"""The space `hybrid_family`: U-Net and DeepLab in one network, as report 000 proposes."""

from spaces.deeplab_family import RESNETS, encoder_norm_axes
from spaces.domains import Choice, Float
from spaces.facts import DataFacts
from spaces.families import Axes, one_family
from spaces.reports import report_points
from spaces.space import SearchSpace
from spaces.unet_family import atrous_rates, default_patch, patch_axes


def hybrid_family(facts: DataFacts) -> SearchSpace:
    """Dilated ResNets with an atrous pyramid and all skips of a U-Net."""
    return one_family("hybrid_family", facts, "hybrid", hybrid_axes(facts), report_points(facts))


def hybrid_axes(facts: DataFacts) -> Axes:
    """The hybrid. Its rates suit a pyramid on the decoder's map; at the bottleneck the largest act as a 1x1."""
    return {
        **patch_axes(facts),
        "encoder": Choice(RESNETS, default=RESNETS[0]),
        "norm": encoder_norm_axes(),
        "output_stride": Choice((8, 16), default=16),
        "rates": Choice(atrous_rates(facts, default_patch(facts)), default=(1, 2, 4)),
        "width": Choice((64, 128, 256), default=64),
        "pyramid_at": Choice(("bottleneck", "decoder"), default="bottleneck"),
        "decoder_width": Choice((8, 16, 32), default=16),
        "dropout": Float(0.0, 0.4, default=0.1),
    }
