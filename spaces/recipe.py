"""What this project's authors would train first, as a named point."""

from spaces.config import AugmentConfig, OptimizerConfig, TrialConfig
from spaces.facts import DataFacts
from spaces.losses import CrossEntropyTerm, IgnoreBackground, LossConfig, LovaszTerm
from spaces.networks import UNetConfig
from spaces.space import NamedPoint


def unet_recipe(facts: DataFacts, *, patch: int) -> NamedPoint:
    """A small U-Net that learns quickly: chosen by hand on the Mars tiles (docs/log.md), not by a search."""
    ignorable = facts.background is not None and facts.background in facts.ignored
    config = TrialConfig(
        model=UNetConfig.model_validate(
            {"in_channels": facts.channels, "classes": facts.classes, "patch": patch, "deep_supervision": 0.4}
        ),
        loss=LossConfig(
            cross_entropy=CrossEntropyTerm(weight=0.5),
            lovasz=LovaszTerm(weight=0.5),
            background=IgnoreBackground() if ignorable else None,
        ),
        optimizer=OptimizerConfig(learning_rate=2e-3, weight_decay=1e-2, ema_decay=0.99),
        augment=AugmentConfig(geometric="mild", oversample=4 if facts.rare_class is not None else 1),
    )
    note = "Lovasz, deep supervision, averaged weights, the rare class shown more often: chosen by hand on Mars tiles"
    return NamedPoint(config=config, note=note)
