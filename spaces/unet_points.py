"""The configurations of the two Mars-terrain reports that the space `unet_family` can express.

The reports give neither widths nor learning rates; where they are silent a point takes the Keras default of its part
(AdamW: rate 1e-3, decay 0.004) and this project's width. A search tries them in this order: each report's best
published score first.
"""

from collections.abc import Mapping

from spaces.config import AugmentConfig, OptimizerConfig, TrialConfig
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
from spaces.networks import ASPP, AdditiveGate, GroupNorm, ParallelDilated, UNetConfig
from spaces.space import NamedPoint

WIDTH = 16
ADAMW = OptimizerConfig(algorithm="adamw", learning_rate=1e-3, weight_decay=4e-3, schedule="constant", warmup_epochs=0)
ADAM_L2 = OptimizerConfig(algorithm="adam", learning_rate=1e-3, weight_decay=1e-4, schedule="plateau", warmup_epochs=0)
NO_AUGMENT = AugmentConfig(geometric="none")
RIGID = AugmentConfig(geometric="mild")
CROSS_ENTROPY = LossConfig(cross_entropy=CrossEntropyTerm(weight=1.0))
FOCAL = LossConfig(focal=FocalTerm(weight=1.0))


def unet_points(facts: DataFacts) -> Mapping[str, NamedPoint]:
    """Name -> configuration and its source; scores are the course platform's, on its own hidden test set."""
    return _report_001(facts) | _report_000(facts)


def _report_000(facts: DataFacts) -> dict[str, NamedPoint]:
    plain = UNetConfig(in_channels=facts.channels, classes=facts.classes, width=WIDTH, upsampling="upcat")
    enhanced = plain.model_copy(
        update={
            "bottleneck": ParallelDilated(fusion="add"),
            "context": "gc",
            "squeeze_excitation": True,
            "input_norm": True,
        }
    )
    transposed = enhanced.model_copy(update={"upsampling": "tconv3"})
    supervised = transposed.model_copy(update={"deep_supervision": 0.4})
    weighted = LossConfig(focal=FocalTerm(weight=1.0), class_weights=ClassWeights(exponent=0.5, cap=30.0))
    return {
        "report000_class_weights": NamedPoint(
            config=TrialConfig(model=transposed, loss=weighted, optimizer=ADAMW, augment=RIGID),
            note="Report 000, iteration 5, its best: class weights, Conv2DTranspose, batch norm; platform 0.58",
        ),
        "report000_bottleneck": NamedPoint(
            config=TrialConfig(model=enhanced, loss=FOCAL, optimizer=ADAMW, augment=RIGID),
            note="Report 000, iteration 4: dilated convolutions added, global context, SE, input norm; platform 0.58",
        ),
        "report000_deep_supervision": NamedPoint(
            config=TrialConfig(model=supervised, loss=weighted, optimizer=ADAMW, augment=RIGID),
            note="Report 000, iteration 6: deep supervision, no significant gain reported",
        ),
        "report000_focal": NamedPoint(
            config=TrialConfig(model=plain, loss=FOCAL, optimizer=ADAMW, augment=RIGID),
            note="Report 000, iteration 3: focal loss; platform 0.47",
        ),
        "report000_augmented": NamedPoint(
            config=TrialConfig(model=plain, loss=CROSS_ENTROPY, optimizer=ADAMW, augment=RIGID),
            note="Report 000, iteration 2: flips, rotation, zoom; platform 0.37",
        ),
        "report000_base": NamedPoint(
            config=TrialConfig(model=plain, loss=CROSS_ENTROPY, optimizer=ADAMW, augment=NO_AUGMENT),
            note="Report 000, iteration 1: U-Net with cross-entropy; platform 0.09",
        ),
    }


def _report_001(facts: DataFacts) -> dict[str, NamedPoint]:
    basic = UNetConfig(in_channels=facts.channels, classes=facts.classes, width=WIDTH)
    large = basic.model_copy(update={"norm": GroupNorm(groups=8), "dropout": 0.1})
    mixture = LossConfig(
        dice=DiceTerm(weight=0.3),
        focal=FocalTerm(weight=0.3),
        cross_entropy=CrossEntropyTerm(weight=0.35),
        boundary=BoundaryTerm(weight=0.05),
        class_weights=ClassWeights(exponent=0.5, cap=30.0),
        background=BackgroundPenalty(miss=0.5, false_alarm=0.5) if facts.background is not None else None,
    )
    mild = AugmentConfig(geometric="mild", original_plus_augmented=True)
    return {
        "report001_unet_l_mild": NamedPoint(
            config=TrialConfig(model=large, loss=mixture, optimizer=ADAM_L2, augment=mild),
            note="Report 001, U-Net-L, its best: group norm, dropout, L2; width and mixture assumed; platform 0.640",
        ),
        "report001_unet_l_complex": NamedPoint(
            config=TrialConfig(
                model=large, loss=mixture, optimizer=ADAM_L2, augment=AugmentConfig(geometric="complex")
            ),
            note="Report 001, U-Net-L with elastic deformations; width and mixture assumed; platform 0.614",
        ),
        "report001_attention": NamedPoint(
            config=TrialConfig(
                model=basic.model_copy(update={"gate": AdditiveGate()}),
                loss=CROSS_ENTROPY,
                optimizer=ADAM_L2,
                augment=NO_AUGMENT,
            ),
            note="Report 001, U-Net + Attention: additive gates stand in for the UW-Net it cites; platform 0.591",
        ),
        "report001_aspp": NamedPoint(
            config=TrialConfig(
                model=basic.model_copy(update={"bottleneck": ASPP(rates=(1, 2, 4), width=128)}),
                loss=CROSS_ENTROPY,
                optimizer=ADAM_L2,
                augment=NO_AUGMENT,
            ),
            note="Report 001, U-Net + ASPP; rates assumed; platform 0.590",
        ),
        "report001_unet": NamedPoint(
            config=TrialConfig(model=basic, loss=CROSS_ENTROPY, optimizer=ADAM_L2, augment=NO_AUGMENT),
            note="Report 001, Basic U-Net; platform 0.493",
        ),
    }
