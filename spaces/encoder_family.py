"""The space `encoder_family`: encoders of timm under four decoders."""

from spaces.deeplab_family import deeplab_axes, encoder_norm_axes
from spaces.domains import Branch, Choice, Int, Node
from spaces.facts import DataFacts
from spaces.families import Axes, several_families
from spaces.reports import report_points
from spaces.space import SearchSpace
from spaces.unet_family import default_patch, patch_axes

ENCODERS = (
    "resnet10t",
    "resnet18",
    "resnet34",
    "mobilenetv3_small_050",
    "mobilenetv3_large_100",
    "efficientnet_lite0",
    "regnety_002",
    "repvgg_a0",
    "convnext_atto",
)
"""Small ones of different kinds. A space of your own may name any that timm can give features of."""

DILATED_ENCODERS = ("resnet10t", "resnet18", "resnet34", "mobilenetv3_small_050", "mobilenetv3_large_100")


def encoder_family(facts: DataFacts) -> SearchSpace:
    """Encoders of timm under the decoders of U-Net, U-Net++, FPN and DeepLab."""
    families = {"encoder": encoder_axes(facts), "deeplab": deeplab_axes(facts, DILATED_ENCODERS)}
    return several_families("encoder_family", facts, families, report_points(facts), default="encoder")


def encoder_axes(facts: DataFacts, encoders: tuple[str, ...] = ENCODERS) -> Axes:
    """Any of `encoders` under a decoder with skips."""
    widths = Choice((8, 16, 32), default=16)
    return {
        **patch_axes(facts),
        "encoder": Choice(encoders, default=encoders[0]),
        "norm": encoder_norm_axes(),
        "levels": level_axis(facts),
        "decoder": Branch(
            {
                "unet": {"width": widths},
                "unet_plus_plus": {"width": widths},
                "fpn": {"width": Choice((32, 64, 128), default=64)},
            },
            default="unet",
        ),
    }


def level_axis(facts: DataFacts) -> Node:
    """3 to 5 levels, as many as leave a coarsest map of 2 positions a side at the default patch; 3 at least."""
    positions = min(facts.height, facts.width) // default_patch(facts)
    deepest = min(5, (positions // 2).bit_length() - 1)
    return Int(3, deepest, default=4) if deepest > 3 else 3
