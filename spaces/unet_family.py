"""The space `unet_family`: U-Nets with the parts, losses, optimizers and augmentations of the two reports.

The default point is a simple configuration: a U-Net with batch normalization, cross-entropy and Dice, AdamW at its
usual rate, flips. What this project would train is the first named point, `recipe` (decision 0010). Ranges follow the
definitions of the parts and their authors' code; what each value means stands in `spaces.networks`,
`spaces.losses` and `spaces.config`.
"""

from collections.abc import Mapping

from spaces.domains import Branch, Choice, Float, Int, Maybe, Node, Simplex
from spaces.facts import DataFacts
from spaces.recipe import unet_recipe
from spaces.space import SearchSpace
from spaces.unet_points import unet_points

ATROUS_RATES = ((1, 2, 3), (1, 2, 4), (2, 4, 6), (3, 6, 9), (6, 12, 18))


def unet_family(facts: DataFacts) -> SearchSpace:
    """U-Nets with the parts, losses, optimizers and augmentations of two reports on Mars terrain.

    Parts that the data has no use for (background, rare class) are left out.
    """
    return SearchSpace(
        name="unet_family",
        root={
            "model": model_axes(facts),
            "loss": loss_axes(facts),
            "optimizer": optimizer_axes(),
            "augment": augment_axes(facts),
        },
        points={"recipe": unet_recipe(facts, patch=default_patch(facts)), **unet_points(facts)},
    )


def model_axes(facts: DataFacts) -> Mapping[str, Node]:
    """Architecture and normalization."""
    return {
        "family": "unet",
        "in_channels": facts.channels,
        "classes": facts.classes,
        "patch": patch_sizes(facts),
        "depth": Int(3, deepest_level(facts), default=4),
        "width": Choice((8, 16, 24, 32, 48, 64), default=16),
        "convs": Int(1, 3, default=2),
        "upsampling": Choice(("tconv2", "tconv3", "upconv3", "upcat"), default="tconv2"),
        "residual": Choice(("none", "post_add", "pre_act"), default="none"),
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
        "deep_supervision": Maybe(Float(0.1, 0.6, default=0.4), default=False),
        "input_norm": Choice((False, True), default=False),
    }


def patch_sizes(facts: DataFacts) -> Choice | int:
    """Patches that leave at least 32 of them a side."""
    sizes = tuple(patch for patch in (1, 2, 4) if min(facts.height, facts.width) // patch >= 32)
    return Choice(sizes, default=default_patch(facts)) if len(sizes) > 1 else 1


def default_patch(facts: DataFacts) -> int:
    """2 where 32 patches a side remain (decision 0008). Atrous rates are those that suit it."""
    return 2 if min(facts.height, facts.width) >= 64 else 1


def deepest_level(facts: DataFacts) -> int:
    """The most resolution levels: 5 where the coarsest, on whole pixels, is at least 4 pixels a side, else 4."""
    return max(4, min(5, (min(facts.height, facts.width) // 4).bit_length()))


def bottleneck_axes(facts: DataFacts) -> Branch:
    """What stands at the coarsest level. Atrous rates that reach past every pixel of the map are left out."""
    coarsest_side = max(facts.height, facts.width) // default_patch(facts) // 4  # at depth 3, the finest bottleneck
    # The mildest two stay whatever the size: a named point uses them, and there they act as a 1x1 at worst.
    rates = ATROUS_RATES[:2] + tuple(triple for triple in ATROUS_RATES[2:] if triple[-1] < coarsest_side)
    transformer = {
        "blocks": Choice((1, 2, 4), default=1),
        "heads": Choice((4, 8), default=4),
        "mlp_ratio": Choice((2.0, 4.0), default=2.0),
        "drop_path": Float(0.0, 0.2, default=0.0),
    }
    return Branch(
        {
            "none": {},
            "aspp": {
                "rates": Choice(rates, default=rates[1]),
                "width": Choice((64, 128, 256), default=128),
            },
            "parallel_dilated": {
                "rates": Choice(((1, 2), (1, 2, 4), (1, 2, 4, 8)), default=(1, 2, 4)),
                "fusion": Choice(("add", "concat"), default="add"),
            },
            "window_attention": {**transformer, "window": Choice((2, 4), default=4)},
            "global_attention": transformer,
        },
        default="none",
    )


def loss_axes(facts: DataFacts) -> Simplex:
    """A gated mixture of losses, class weights, and what is done about the background where there is one."""
    class_weights = {"exponent": Float(0.0, 1.0, default=0.5), "cap": Choice((10.0, 30.0, 100.0), default=30.0)}
    return Simplex(
        {
            "focal": {"gamma": Float(0.5, 4.0, default=2.0)},
            "dice": {},
            "tversky": {"beta": Float(0.5, 0.9, default=0.7)},
            "lovasz": {},
            "boundary": {},
            "cross_entropy": {"label_smoothing": Float(0.0, 0.1, default=0.0)},
        },
        default={"cross_entropy": 0.5, "dice": 0.5},
        common={
            "class_weights": Maybe(class_weights, default=False),
            "background": background_axes(facts),
        },
    )


def background_axes(facts: DataFacts) -> Branch | None:
    """What the loss does about the background, if there is one.

    It may be left out of the loss only where the objective leaves it out too; there that is also the default: a network
    that never predicts background loses no foreground pixel to it.
    """
    if facts.background is None:
        return None
    options = {
        "none": {},
        "penalty": {"miss": Float(0.0, 2.0, default=0.0), "false_alarm": Float(0.0, 2.0, default=0.5)},
    }
    if facts.background in facts.ignored:
        return Branch({**options, "ignore": {}}, default="ignore")
    return Branch(options, default="none")


def optimizer_axes() -> Branch:
    """Five optimizers, each with its own ranges; one decay axis each, coupled (L2) for SGD and Adam."""
    return Branch(
        {
            "sgd": _rates(Float(1e-3, 0.3, default=0.05, log=True), Float(1e-6, 1e-3, default=1e-4, log=True)),
            "adam": _rates(Float(1e-4, 5e-3, default=1e-3, log=True), Float(1e-6, 1e-3, default=1e-5, log=True)),
            "adamw": _rates(Float(1e-4, 5e-3, default=1e-3, log=True), Float(1e-5, 0.1, default=1e-2, log=True)),
            "lion": _rates(Float(2e-5, 1e-3, default=2e-4, log=True), Float(1e-4, 1.0, default=5e-2, log=True)),
            "ranger": _rates(Float(1e-4, 1e-2, default=2e-3, log=True), Float(1e-6, 0.1, default=1e-4, log=True)),
        },
        default="adamw",
        key="algorithm",
        common={
            "schedule": Choice(("cosine", "poly", "plateau", "constant"), default="cosine"),
            "warmup_epochs": Int(0, 5, default=1),
            "batch_size": Choice((8, 16, 32), default=16),
            "ema_decay": Maybe(Float(0.99, 0.999, default=0.99), default=False),
        },
    )


def _rates(learning_rate: Float, weight_decay: Float) -> Mapping[str, Node]:
    return {"learning_rate": learning_rate, "weight_decay": weight_decay}


def augment_axes(facts: DataFacts) -> Mapping[str, Node]:
    """Augmentation; copy-paste and oversampling only where the data has a rare class."""
    rare = facts.rare_class is not None
    return {
        "geometric": Choice(("none", "flip", "mild", "complex"), default="flip"),
        "photometric": Choice((False, True), default=False),
        "strength": Float(0.1, 2.0, default=1.0),
        "vertical_flip": Choice((False, True), default=False),
        "original_plus_augmented": Choice((False, True), default=False),
        "mixing": Choice(("none", "cutmix", "classmix"), default="none"),
        "copy_paste": Float(0.0, 0.5, default=0.0) if rare else 0.0,
        "oversample": Choice((1, 2, 4, 8), default=1) if rare else 1,
    }
