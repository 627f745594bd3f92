"""The space `unet_plus_family`: U-Nets with more connections than one skip a level."""

from spaces.domains import Branch, Choice, Int, Maybe
from spaces.facts import DataFacts
from spaces.families import Axes, several_families
from spaces.reports import report_points
from spaces.space import SearchSpace
from spaces.unet_family import block_axes, deepest_level, patch_axes, supervision_axes, unet_axes


def unet_plus_family(facts: DataFacts) -> SearchSpace:
    """U-Net++, attention UW-Net, two U-Nets in a row, and U-Nets that fuse several branches a level."""
    families = {
        "unet_plus_plus": unet_plus_plus_axes(facts),
        "uw_net": uw_net_axes(facts),
        "dual_unet": unet_axes(facts),
        "unet": {**unet_axes(facts), "fusion": fusion_axes()},
    }
    return several_families("unet_plus_family", facts, families, report_points(facts), default="unet_plus_plus")


def unet_plus_plus_axes(facts: DataFacts) -> Axes:
    """U-Net++."""
    return {
        **patch_axes(facts),
        **block_axes(),
        "depth": Int(3, deepest_level(facts), default=4),
        "width": Choice((8, 16, 24, 32), default=16),
        "convs": Int(1, 2, default=2),
        **supervision_axes(),
    }


def uw_net_axes(facts: DataFacts) -> Axes:
    """Attention UW-Net, whose depth is fixed; its published width is 32."""
    return {**patch_axes(facts), **block_axes(), "width": Choice((4, 8, 16, 32), default=8)}


def fusion_axes() -> Branch:
    """How several branches of a decoder level become one."""
    return Branch(
        {name: {"attention": Choice(("none", "se", "cbam", "spatial"), default="none")} for name in MERGES},
        default="add",
        key="merge",
    )


def optional_fusion_axes() -> Maybe:
    """The same, or a plain concatenation."""
    return Maybe(fusion_axes(), default=False)


MERGES = ("concat", "add", "gated")
