"""The axes that all families share: loss, optimizer, augmentation. Parts that the data has no use for are left out."""

from collections.abc import Mapping

from spaces.domains import Branch, Choice, Float, Int, Maybe, Node, Simplex
from spaces.facts import DataFacts


def shared_axes(facts: DataFacts, *, pseudo_labels: bool = False) -> dict[str, Node]:
    """Loss, optimizer and augmentation: all of a space's root but the model."""
    augment = augment_axes(facts, pseudo_labels=pseudo_labels)
    return {"loss": loss_axes(facts), "optimizer": optimizer_axes(), "augment": augment}


def loss_axes(facts: DataFacts) -> Simplex:
    """A gated mixture of losses, class weights, and what is done about the background where there is one.

    The Hausdorff loss is left out: a term that is on in half of a sampler's proposals must not slow all of them.
    """
    return Simplex(
        {
            "focal": {"gamma": Float(0.5, 4.0, default=2.0)},
            "dice": {},
            "tversky": {"beta": Float(0.5, 0.9, default=0.7), "exponent": Float(0.5, 1.5, default=1.0)},
            "lovasz": {},
            "generalized_dice": {},
            "boundary": {},
            "cross_entropy": {"label_smoothing": Float(0.0, 0.1, default=0.0)},
        },
        default={"cross_entropy": 0.5, "dice": 0.5},
        common={
            "class_weights": class_weight_axes(),
            "background": background_axes(facts),
        },
    )


def class_weight_axes() -> Branch:
    """Weights from the frequencies of the classes; `power` of exponent 1 is what others call balanced."""
    cap = {"cap": Choice((10.0, 30.0, 100.0), default=30.0)}
    return Branch(
        {
            "none": {},
            "power": {"exponent": Float(0.0, 1.0, default=0.5), **cap},
            "median_frequency": cap,
            "effective_number": {"beta": Choice((0.9, 0.99, 0.999), default=0.99)},
        },
        default="none",
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


L2 = (0.0, 1e-6, 1e-5, 1e-4, 1e-3)
"""Steps, not a range: on a logarithmic scale there is no 0, and without decay is how most networks are trained."""


def optimizer_axes() -> Branch:
    """Nine optimizers, each with its own ranges. The decay of SGD and Adam is L2 already: they have no other."""
    coupled = {"kernel_l2": 0.0}
    like_adamw = _rates(Float(1e-4, 5e-3, default=1e-3, log=True), Float(1e-5, 0.1, default=1e-2, log=True))
    free = _rates(Float(1e-4, 1e-2, default=2e-3, log=True), Float(1e-5, 0.1, default=1e-2, log=True))
    return Branch(
        {
            "sgd": coupled | _rates(Float(1e-3, 0.3, default=0.05, log=True), Choice(L2, default=1e-4)),
            "adam": coupled | _rates(Float(1e-4, 5e-3, default=1e-3, log=True), Choice(L2, default=1e-5)),
            "adamw": like_adamw,
            "nadam": like_adamw,
            "adabelief": like_adamw,
            "muon": like_adamw,
            "schedule_free": {**free, "schedule": "constant", "ema_decay": None},
            "lion": _rates(Float(2e-5, 1e-3, default=2e-4, log=True), Float(1e-4, 1.0, default=5e-2, log=True)),
            "ranger": _rates(Float(1e-4, 1e-2, default=2e-3, log=True), Choice((*L2, 1e-2, 0.1), default=1e-4)),
        },
        default="adamw",
        key="algorithm",
        common={
            "schedule": Choice(("cosine", "poly", "plateau", "constant"), default="cosine"),
            "warmup_epochs": Int(0, 5, default=1),
            "batch_size": Choice((8, 16, 32), default=16),
            "kernel_l2": Choice(L2, default=0.0),
            "ema_decay": Maybe(Float(0.99, 0.999, default=0.99), default=False),
        },
    )


def _rates(learning_rate: Float, weight_decay: Float | Choice) -> dict[str, Node]:
    return {"learning_rate": learning_rate, "weight_decay": weight_decay}


def augment_axes(facts: DataFacts, *, pseudo_labels: bool = False) -> Mapping[str, Node]:
    """Augmentation; copy-paste and oversampling only where the data has a rare class.

    `pseudo_labels` adds them, off by default, where the data has images without labels. Half of a sampler's proposals
    would use them, at two to three times the time of an epoch: no preset does.
    """
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
        "pseudo_labels": Maybe(pseudo_label_axes(), default=False)
        if pseudo_labels and facts.unlabelled_images
        else None,
    }


def pseudo_label_axes() -> Mapping[str, Node]:
    """What a space may search of pseudo-labels."""
    return {
        "weight": Float(0.1, 0.5, default=0.3),
        "threshold": Choice((0.8, 0.9, 0.95), default=0.9),
        "keep": Float(0.2, 1.0, default=0.5),
        "warmup": Float(0.1, 0.6, default=0.3),
    }
