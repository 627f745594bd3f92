"""The systems of report 001 ("The Backpropagators"): the rows of its table, and the parts that its text names.

Without a point: its split by dispersion and its fine-tuning, which are no configurations.
"""

from typing import Any

from spaces.config import AugmentConfig, OptimizerConfig, PseudoLabels, TrialConfig
from spaces.facts import DataFacts
from spaces.losses import (
    BackgroundPenalty,
    BoundaryTerm,
    ClassWeights,
    CrossEntropyTerm,
    DiceTerm,
    FocalTerm,
    LossConfig,
)
from spaces.networks import (
    ASPP,
    BranchFusion,
    GlobalAttention,
    GroupNorm,
    Light4MarsConfig,
    ModelConfig,
    ParallelDilated,
    RockSegLikeConfig,
    UNetConfig,
    UWNetConfig,
    WindowAttention,
)
from spaces.space import NamedPoint, Source

WIDTH = 16
ADAM = OptimizerConfig(algorithm="adam", learning_rate=1e-3, weight_decay=0.0, schedule="constant", warmup_epochs=0)
ADAM_L2 = ADAM.model_copy(update={"weight_decay": 1e-4})
NO_AUGMENT = AugmentConfig(geometric="none")
MILD = AugmentConfig(geometric="mild", original_plus_augmented=True)
COMPLEX = AugmentConfig(geometric="complex")
PENALTY = BackgroundPenalty(miss=0.5, false_alarm=0.5)
CROSS_ENTROPY = LossConfig(cross_entropy=CrossEntropyTerm(weight=1.0))
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.01, "weight_decay": 0.0},
    "adamw": {"learning_rate": 1e-3, "weight_decay": 4e-3},
    "lion": {"learning_rate": 1e-4, "weight_decay": 4e-2},
    "ranger": {"learning_rate": 1e-3, "weight_decay": 0.0},
}
"""Keras' of SGD and AdamW, the authors' of Ranger; for Lion a tenth of AdamW's rate and ten times its decay, as its
authors advise. The report gives none."""


def report_001(facts: DataFacts) -> dict[str, NamedPoint]:
    """Name -> system."""
    return _table(facts) | _networks(facts) | _losses(facts) | _optimizers(facts) | _augmentations(facts)


def _table(facts: DataFacts) -> dict[str, NamedPoint]:
    large, mixture = _large(facts), _mixture(facts)
    return {
        "report001_unet_l_mild": _point(
            large,
            "U-Net-L, its best: group norm, spatial dropout, L2; width, amounts, mixture assumed",
            _row("U-Net-L (mild aug)", 0.7303, 0.6817, 0.64),
            loss=mixture,
            optimizer=ADAM_L2,
            augment=MILD,
        ),
        "report001_unet_l_complex": _point(
            large,
            "U-Net-L with elastic deformations; width, amounts and mixture assumed",
            _row("U-Net-L + Complex Aug", 0.6513, 0.6227, 0.61386),
            loss=mixture,
            optimizer=ADAM_L2,
            augment=COMPLEX,
        ),
        "report001_attention": _point(
            UWNetConfig(in_channels=facts.channels, classes=facts.classes, width=8),
            "U-Net + Attention: the UW-Net it cites, a quarter as wide",
            _row("U-Net + Attention", 0.6902, 0.6381, 0.59113),
        ),
        "report001_aspp": _point(
            _unet(facts, bottleneck=ASPP(rates=(1, 2, 4), width=128)),
            "U-Net + ASPP; rates and width assumed",
            _row("U-Net + ASPP", 0.6531, 0.6252, 0.58961),
        ),
        "report001_unet": _point(_unet(facts), "Basic U-Net", _row("Basic U-Net", 0.5921, 0.5243, 0.49276)),
    }


def _networks(facts: DataFacts) -> dict[str, NamedPoint]:
    shape: dict[str, Any] = {"in_channels": facts.channels, "classes": facts.classes}
    turkeyseg = _unet(
        facts,
        bottleneck=WindowAttention(),
        fusion=BranchFusion(merge="gated", attention="cbam"),
        squeeze_excitation=True,
    )
    return {
        "report001_transformer": _named(
            _unet(facts, bottleneck=GlobalAttention(blocks=2, heads=4)),
            "Transformer-like U-Net: attention over all positions",
        ),
        "report001_group_norm": _named(_unet(facts, norm=GroupNorm(groups=8)), "U-Net with group normalization"),
        "report001_dilated": _named(_unet(facts, bottleneck=ParallelDilated()), "U-Net with dilated convolutions"),
        "report001_window": _named(_unet(facts, bottleneck=WindowAttention()), "U-Net with windowed attention"),
        "report001_fusion": _named(
            _unet(facts, fusion=BranchFusion()), "U-Net with multi-branch feature fusion; its form is assumed"
        ),
        "report001_light4mars": _named(Light4MarsConfig(**shape), "Light4Mars-T as its authors' code has it"),
        "report001_light4mars_s": _named(
            Light4MarsConfig(**shape, width=32), "Light4Mars-S as its authors' code has it"
        ),
        "report001_rockseg": _named(RockSegLikeConfig(**shape), "A stand-in for RockSeg, whose code is not public"),
        "report001_turkeyseg": _named(
            turkeyseg, "A stand-in for TurkeySeg, unpublished: windowed attention and multi-branch fusion in a U-Net"
        ),
    }


def _losses(facts: DataFacts) -> dict[str, NamedPoint]:
    weights = ClassWeights(exponent=0.5, cap=30.0)
    losses = {
        "dice": (LossConfig(dice=DiceTerm(weight=1.0)), "Basic U-Net, Dice"),
        "focal": (LossConfig(focal=FocalTerm(weight=1.0)), "Basic U-Net, focal loss"),
        "class_weights": (CROSS_ENTROPY.model_copy(update={"class_weights": weights}), "Basic U-Net, class weights"),
        "boundary": (
            LossConfig(cross_entropy=CrossEntropyTerm(weight=0.95), boundary=BoundaryTerm(weight=0.05)),
            "Basic U-Net, cross-entropy with the boundary loss, from the mixture; shares assumed",
        ),
        "mixture": (_mixture(facts), "Basic U-Net, all losses mixed; shares assumed"),
    }
    if facts.background is not None:
        penalized = CROSS_ENTROPY.model_copy(update={"background": PENALTY})
        losses["background_penalty"] = (
            penalized,
            "Basic U-Net, cross-entropy with the background's penalty, from the mixture; form and amount assumed",
        )
    return {f"report001_{name}": _named(_unet(facts), note, loss=loss) for name, (loss, note) in losses.items()}


def _optimizers(facts: DataFacts) -> dict[str, NamedPoint]:
    return {
        f"report001_{algorithm}": _named(
            _unet(facts),
            f"Basic U-Net, {algorithm}; its rate and decay are assumed",
            optimizer=OptimizerConfig.model_validate(
                {"algorithm": algorithm, "schedule": "constant", "warmup_epochs": 0, **rates}
            ),
        )
        for algorithm, rates in OPTIMIZERS.items()
    }


def _augmentations(facts: DataFacts) -> dict[str, NamedPoint]:
    points = {
        "report001_flip": _named(_unet(facts), "Basic U-Net, flips alone", augment=AugmentConfig(geometric="flip")),
        "report001_mild": _named(
            _unet(facts),
            "Basic U-Net, rigid motion without the original images; amounts assumed",
            augment=AugmentConfig(geometric="mild"),
        ),
        "report001_mild_and_originals": _named(
            _unet(facts), "Basic U-Net, rigid motion and the original images; amounts assumed", augment=MILD
        ),
    }
    if facts.unlabelled_images:
        points["report001_pseudo_labels"] = _point(
            _large(facts),
            "U-Net-L with pseudo-labels, which the report proposes; how they are made is assumed",
            Source(report="001", row="section 4, proposed"),
            loss=_mixture(facts),
            optimizer=ADAM_L2,
            augment=MILD.model_copy(update={"pseudo_labels": PseudoLabels()}),
        )
    return points


def _mixture(facts: DataFacts) -> LossConfig:
    """Dice, focal, cross-entropy and boundary, class weights and the background's penalty; all amounts assumed."""
    return LossConfig(
        dice=DiceTerm(weight=0.3),
        focal=FocalTerm(weight=0.3),
        cross_entropy=CrossEntropyTerm(weight=0.35),
        boundary=BoundaryTerm(weight=0.05),
        class_weights=ClassWeights(exponent=0.5, cap=30.0),
        background=PENALTY if facts.background is not None else None,
    )


def _large(facts: DataFacts) -> UNetConfig:
    """U-Net-L: twice as wide as the basic one."""
    return _unet(facts, width=2 * WIDTH, norm=GroupNorm(groups=8), dropout=0.1)


def _unet(facts: DataFacts, **parts: Any) -> UNetConfig:
    shape = {"in_channels": facts.channels, "classes": facts.classes, "width": WIDTH}
    return UNetConfig.model_validate({**shape, **parts})


def _row(row: str, train: float, validation: float, platform: float) -> Source:
    return Source(report="001", row=f"Table 1, {row}", train=train, validation=validation, platform=platform)


def _named(model: ModelConfig, note: str, **parts: Any) -> NamedPoint:
    """A system that the text names without a score."""
    return _point(model, note, Source(report="001", row="section 2"), **parts)


def _point(
    model: ModelConfig,
    note: str,
    source: Source,
    *,
    loss: LossConfig = CROSS_ENTROPY,
    optimizer: OptimizerConfig = ADAM,
    augment: AugmentConfig = NO_AUGMENT,
) -> NamedPoint:
    config = TrialConfig(model=model, loss=loss, optimizer=optimizer, augment=augment)
    return NamedPoint(config=config, note=note, source=source)
