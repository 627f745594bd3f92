"""The space `unet_family`: U-Nets with the parts, losses, optimizers and augmentations of the two reports.

The default point is a simple configuration: a U-Net with batch normalization, cross-entropy and Dice, AdamW at its
usual rate, flips. What this project would train is the first named point, `recipe` (decision 0010). Ranges follow the
definitions of the parts and their authors' code; what each value means stands in `spaces.networks`,
`spaces.losses` and `spaces.config`.
"""

from spaces.domains import Branch, Choice, Float, Int, Maybe, Node
from spaces.facts import DataFacts
from spaces.families import Axes, one_family
from spaces.recipe import unet_recipe
from spaces.reports import report_points
from spaces.space import SearchSpace

ATROUS_RATES = ((1, 2, 3), (1, 2, 4), (2, 4, 6), (3, 6, 9), (6, 12, 18))


def unet_family(facts: DataFacts) -> SearchSpace:
    """U-Nets with the parts, losses, optimizers and augmentations of two reports on Mars terrain.

    Parts that the data has no use for (background, rare class) are left out.
    """
    points = {"recipe": unet_recipe(facts, patch=default_patch(facts)), **report_points(facts)}
    return one_family("unet_family", facts, "unet", unet_axes(facts), points)


def unet_axes(facts: DataFacts) -> Axes:
    """Architecture and normalization of a U-Net."""
    return {
        **patch_axes(facts),
        **block_axes(),
        "depth": Int(3, deepest_level(facts), default=4),
        "width": Choice((8, 16, 24, 32, 48, 64), default=16),
        "convs": Int(1, 3, default=2),
        "upsampling": Choice(("tconv2", "tconv3", "upconv3", "upcat"), default="tconv2"),
        "residual": Choice(("none", "post_add", "pre_act"), default="none"),
        "gate": Branch(
            {
                "none": {},
                "oktay_grid": {"ratio": Choice((0.25, 0.5, 1.0), default=1.0)},
                "additive": {"ratio": Choice((0.25, 0.5, 1.0), default=0.5)},
            },
            default="none",
        ),
        "bottleneck": bottleneck_axes(facts),
        "context": Choice((None, "gc", "avg_mul"), default=None),
        "squeeze_excitation": Choice((False, True), default=False),
        **supervision_axes(),
    }


def block_axes() -> Axes:
    """What all networks of our own convolution blocks search."""
    return {
        "activation": Choice(("relu", "leaky_relu", "silu", "mish"), default="relu"),
        "norm": Branch(
            {
                "batch": {},
                "group": {"groups": Choice((4, 8, 16), default=8)},
                "instance": {},
                "layer2d": {},
                "weight_standardization": {},
            },
            default="batch",
        ),
        "dropout": Float(0.0, 0.4, default=0.0),
    }


def supervision_axes() -> Axes:
    """Auxiliary heads."""
    return {"deep_supervision": Maybe(Float(0.1, 0.6, default=0.4), default=False)}


def patch_axes(facts: DataFacts) -> Axes:
    """What happens to the image first: patches that leave at least 32 of them a side, and its normalization."""
    sizes = tuple(patch for patch in (1, 2, 4) if min(facts.height, facts.width) // patch >= 32)
    patch: Node = Choice(sizes, default=default_patch(facts)) if len(sizes) > 1 else 1
    return {"patch": patch, "input_norm": Choice((False, True), default=False)}


def default_patch(facts: DataFacts) -> int:
    """2 where 32 patches a side remain (decision 0008). Atrous rates are those that suit it."""
    return 2 if min(facts.height, facts.width) >= 64 else 1


def deepest_level(facts: DataFacts) -> int:
    """The most resolution levels: 5 where the coarsest, on whole pixels, is at least 4 pixels a side, else 4."""
    return max(4, min(5, (min(facts.height, facts.width) // 4).bit_length()))


def atrous_rates(facts: DataFacts, stride: int) -> tuple[tuple[int, ...], ...]:
    """Rates that reach at most as far as a map of `stride` goes.

    The mildest two stay whatever the size: named points use them, and there they act as a 1x1 at worst.
    """
    side = max(facts.height, facts.width) // stride
    return ATROUS_RATES[:2] + tuple(triple for triple in ATROUS_RATES[2:] if triple[-1] < side)


def bottleneck_axes(facts: DataFacts) -> Branch:
    """What stands at the coarsest level."""
    return Branch(
        {
            "none": {},
            "aspp": {
                "rates": Choice(atrous_rates(facts, default_patch(facts) * 4), default=(1, 2, 4)),
                "width": Choice((64, 128, 256), default=128),
            },
            "parallel_dilated": {
                "rates": Choice(((1, 2), (1, 2, 4), (1, 2, 4, 8)), default=(1, 2, 4)),
                "fusion": Choice(("add", "concat"), default="add"),
                "normalized": Choice((False, True), default=False),
            },
            **attention_axes(),
        },
        default="none",
    )


def attention_axes() -> dict[str, Axes]:
    """The two transformer bottlenecks."""
    transformer = {
        "blocks": Choice((1, 2, 4), default=1),
        "heads": Choice((4, 8), default=4),
        "mlp_ratio": Choice((2.0, 4.0), default=2.0),
        "drop_path": Float(0.0, 0.2, default=0.0),
    }
    return {"window_attention": {**transformer, "window": Choice((2, 4), default=4)}, "global_attention": transformer}
