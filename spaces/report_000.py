"""The systems of report 000 ("Four Neurons"): seven iterations from a U-Net on, and what its conclusions propose."""

from typing import Any

from spaces.config import AugmentConfig, BudgetConfig, OptimizerConfig, TrialConfig
from spaces.facts import DataFacts
from spaces.losses import ClassWeights, CrossEntropyTerm, FocalTerm, LossConfig
from spaces.networks import DeepLabConfig, ExpertsConfig, HybridConfig, ModelConfig, ParallelDilated, UNetConfig
from spaces.space import NamedPoint, Source

WIDTH = 16
ADAMW = OptimizerConfig(algorithm="adamw", learning_rate=1e-3, weight_decay=4e-3, schedule="constant", warmup_epochs=0)
EARLY_STOPPING = BudgetConfig(patience=10)
"""The report stops early on the validation IoU; after how many epochs is assumed."""

RIGID = AugmentConfig(geometric="mild")
CROSS_ENTROPY = LossConfig(cross_entropy=CrossEntropyTerm(weight=1.0))
FOCAL = LossConfig(focal=FocalTerm(weight=1.0))
WEIGHTED_FOCAL = LossConfig(focal=FocalTerm(weight=1.0), class_weights=ClassWeights(exponent=0.5, cap=30.0))


def report_000(facts: DataFacts) -> dict[str, NamedPoint]:
    """Name -> system."""
    return _bottleneck_systems(facts) | _deeper_systems(facts) | _plain_systems(facts) | _proposals(facts)


def _plain_systems(facts: DataFacts) -> dict[str, NamedPoint]:
    plain = _unet(facts)
    return {
        "report000_focal": _point(
            plain,
            FOCAL,
            "U-Net, focal loss",
            Source(report="000", row="Table 1, Focal-Loss", platform=0.47, validation=0.489, train=0.4419),
        ),
        "report000_augmented": _point(
            plain,
            CROSS_ENTROPY,
            "U-Net, cross-entropy; flips, rotation, zoom",
            Source(report="000", row="Table 1, Augmented Data", platform=0.37, validation=0.4003, train=0.3265),
        ),
        "report000_base": _point(
            plain,
            CROSS_ENTROPY,
            "U-Net, cross-entropy, no augmentation",
            Source(report="000", row="Table 1, Base Model", platform=0.09, validation=0.06, train=0.3533),
            augment=AugmentConfig(geometric="none"),
        ),
    }


def _bottleneck_systems(facts: DataFacts) -> dict[str, NamedPoint]:
    source = Source(
        report="000", row="Table 1, Bottle-Neck Enhancement", platform=0.58, validation=0.5886, train=0.5719
    )
    return {
        "report000_class_weights": _point(
            _best(facts),
            WEIGHTED_FOCAL,
            "Its best: class weights, transposed convolutions, normalized dilations besides; the row may mean this one",
            source,
        ),
        "report000_bottleneck": _point(
            _enhanced(facts), FOCAL, "Dilated convolutions added, global context, SE, input norm", source
        ),
        "report000_bottleneck_concat": _point(
            _enhanced(facts, bottleneck=ParallelDilated(fusion="concat")),
            FOCAL,
            "The same with concatenation, which did worse",
            Source(report="000", row="section 5"),
        ),
    }


def _deeper_systems(facts: DataFacts) -> dict[str, NamedPoint]:
    text = Source(report="000", row="section 5")
    return {
        "report000_deep_supervision": _point(
            _best(facts, deep_supervision=0.4),
            WEIGHTED_FOCAL,
            "Deep supervision, its weight assumed; no significant gain reported",
            Source(report="000", row="section 4, iteration 6"),
        ),
        "report000_more_blocks": _point(
            _best(facts, depth=5), WEIGHTED_FOCAL, "One more level, no gain reported", text
        ),
        "report000_larger_blocks": _point(
            _best(facts, width=2 * WIDTH),
            WEIGHTED_FOCAL,
            "Twice as wide, no gain reported",
            text,
        ),
        "report000_deeplabv3plus": _point(
            _deeplab(facts, rates=(6, 12, 18)),
            WEIGHTED_FOCAL,
            "DeepLabV3+ on ResNet50 at stride 16; rates and dropout assumed",
            Source(report="000", row="Table 1, DeepLabV3+", platform=0.44, validation=0.3681, train=0.5528),
        ),
        "report000_deeplabv3plus_rates": _point(
            _deeplab(facts, rates=(1, 2, 4)),
            WEIGHTED_FOCAL,
            "The same with rates that fit its 4x8 map: not in the report",
        ),
    }


def _proposals(facts: DataFacts) -> dict[str, NamedPoint]:
    shape: dict[str, Any] = {"in_channels": facts.channels, "classes": facts.classes}
    proposal = Source(report="000", row="section 7, proposed")
    points = {
        "report000_hybrid": _point(
            HybridConfig(**shape, rates=(1, 2, 4)), WEIGHTED_FOCAL, "U-Net and DeepLab in one; built by us", proposal
        ),
        "report000_experts": _point(
            ExpertsConfig(**shape, arrangement="networks", width=8),
            WEIGHTED_FOCAL,
            "A network a class, one of them for the background; built by us"
            if facts.background is not None
            else "A network a class; built by us",
            proposal,
        ),
    }
    if facts.background is not None:
        points["report000_background_threshold"] = _point(
            ExpertsConfig(**shape, arrangement="networks", width=8, threshold_class=facts.background),
            WEIGHTED_FOCAL,
            "A network a class but the background, which is where none is confident: not in the report",
        )
    return points


def _unet(facts: DataFacts, **parts: Any) -> UNetConfig:
    shape = {"in_channels": facts.channels, "classes": facts.classes, "width": WIDTH, "upsampling": "upcat"}
    return UNetConfig.model_validate({**shape, **parts})


def _enhanced(facts: DataFacts, **parts: Any) -> UNetConfig:
    enhancement = {
        "bottleneck": ParallelDilated(fusion="add"),
        "context": "gc",
        "squeeze_excitation": True,
        "input_norm": True,
    }
    return _unet(facts, **{**enhancement, **parts})


def _best(facts: DataFacts, **parts: Any) -> UNetConfig:
    """Iteration 5: transposed convolutions, and normalization in the new blocks."""
    dilated = ParallelDilated(fusion="add", normalized=True)
    return _enhanced(facts, **{"upsampling": "tconv3", "bottleneck": dilated, **parts})


def _deeplab(facts: DataFacts, rates: tuple[int, int, int]) -> DeepLabConfig:
    return DeepLabConfig(
        in_channels=facts.channels, classes=facts.classes, encoder="resnet50", rates=rates, width=256, dropout=0.5
    )


def _point(
    model: ModelConfig, loss: LossConfig, note: str, source: Source | None = None, *, augment: AugmentConfig = RIGID
) -> NamedPoint:
    config = TrialConfig(model=model, loss=loss, optimizer=ADAMW, augment=augment, budget=EARLY_STOPPING)
    return NamedPoint(config=config, note=note, source=source)
