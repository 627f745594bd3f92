"""From a LossConfig and the data's facts to the loss."""

from functools import partial

from search.errors import DataError
from search.training.losses.background import background_penalty
from search.training.losses.class_weights import class_weights
from search.training.losses.hausdorff import hausdorff
from search.training.losses.lovasz import lovasz
from search.training.losses.mixture import SegmentationLoss, Term
from search.training.losses.overlap import dice, generalized_dice, tversky
from search.training.losses.pixelwise import cross_entropy, focal
from spaces.facts import DataFacts
from spaces.losses import BackgroundPenalty, IgnoreBackground, LossConfig


def build_loss(
    config: LossConfig, facts: DataFacts, *, deep_supervision: float | None = None, one_vs_rest: bool = False
) -> SegmentationLoss:
    """The loss that `config` asks for.

    `deep_supervision` is the model's weight of auxiliary heads, and `one_vs_rest` says that each of its logits is one
    class against the rest.

    Raises DataError where the config treats a background and the data has none, or weighs classes by a count that the
    facts lack.
    """
    if config.background is not None and facts.background is None:
        raise DataError(
            f"loss.background ({config.background.kind}) needs data with a background class, and this data set "
            f"declares none among {', '.join(facts.class_names)}: drop loss.background, or name the background in "
            "classes.yaml"
        )
    ignored = facts.background if isinstance(config.background, IgnoreBackground) else None
    weights = class_weights(config.class_weights, facts, () if ignored is None else (ignored,))
    return SegmentationLoss(
        [*_pixel_terms(config), *_region_terms(config), *_background_terms(config, facts)],
        class_weights=weights,
        boundary_weight=config.boundary.weight if config.boundary else 0.0,
        ignored_background=ignored,
        deep_supervision=deep_supervision,
        one_vs_rest=one_vs_rest,
    )


def _pixel_terms(config: LossConfig) -> list[Term]:
    terms = []
    if term := config.cross_entropy:
        terms.append(Term(weight=term.weight, value=partial(cross_entropy, label_smoothing=term.label_smoothing)))
    if term := config.focal:
        terms.append(Term(weight=term.weight, value=partial(focal, gamma=term.gamma)))
    return terms


def _region_terms(config: LossConfig) -> list[Term]:
    terms = []
    if term := config.dice:
        terms.append(Term(weight=term.weight, value=dice))
    if term := config.tversky:
        terms.append(Term(weight=term.weight, value=partial(tversky, beta=term.beta, exponent=term.exponent)))
    if term := config.lovasz:
        terms.append(Term(weight=term.weight, value=lovasz))
    if term := config.generalized_dice:
        terms.append(Term(weight=term.weight, value=generalized_dice))
    if term := config.hausdorff:
        terms.append(Term(weight=term.weight, value=hausdorff))
    return terms


def _background_terms(config: LossConfig, facts: DataFacts) -> list[Term]:
    if not isinstance(config.background, BackgroundPenalty) or facts.background is None:
        return []
    penalty = partial(
        background_penalty,
        background=facts.background,
        miss=config.background.miss,
        false_alarm=config.background.false_alarm,
    )
    return [Term(weight=1.0, value=penalty)]
