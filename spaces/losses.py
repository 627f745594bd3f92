"""Configuration of the loss: a mixture of terms, class weights, and what is done about the background."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from spaces.schema import Config, Fraction, NonNegative, Positive


class CrossEntropyTerm(Config):
    """Weighted cross-entropy."""

    weight: Positive
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


class FocalTerm(Config):
    """Softmax focal loss (Lin et al. 2017)."""

    weight: Positive
    gamma: NonNegative = 2.0


class DiceTerm(Config):
    """Soft Dice, averaged over the classes present in the batch."""

    weight: Positive


class TverskyTerm(Config):
    """Tversky loss; `beta` weighs false negatives and 1 - beta false positives.

    Each class's loss is raised to `exponent`; focal Tversky (Abraham and Khan 2019) has 0.75.
    """

    weight: Positive
    beta: Fraction = 0.7
    exponent: Positive = 1.0


class LovaszTerm(Config):
    """Lovasz-softmax over present classes (Berman et al. 2018)."""

    weight: Positive


class BoundaryTerm(Config):
    """Boundary loss (Kervadec et al. 2019), distance maps divided by the image's diagonal."""

    weight: Positive


class GeneralizedDiceTerm(Config):
    """Generalized Dice (Sudre et al. 2017): one overlap over all classes, the rare ones weighing more."""

    weight: Positive


class HausdorffTerm(Config):
    """Hausdorff loss by distance transforms (Karimi et al. 2019), distances divided by the image's diagonal.

    The distances of every prediction are computed on the CPU: the slowest of the terms.
    """

    weight: Positive


Cap = Annotated[float, Field(ge=1)]


class ClassWeights(Config):
    """Weights f^-exponent from the training pixel frequencies f, capped at `cap` times the smallest, of mean 1."""

    kind: Literal["power"] = "power"
    exponent: Fraction = 0.5
    cap: Cap = 30.0


class BalancedWeights(Config):
    """scikit-learn's "balanced" weights 1 / (K f), capped at `cap` times the smallest, of mean 1.

    At mean 1 these are ClassWeights of exponent 1.
    """

    kind: Literal["balanced"] = "balanced"
    cap: Cap = 30.0


class MedianFrequencyWeights(Config):
    """Median frequency balancing (Eigen and Fergus 2015), capped at `cap` times the smallest weight, of mean 1.

    A class weighs the median of all f over its own f, its pixels divided by the labelled pixels of the images that hold
    it: a class that is rare but large where it occurs weighs no more than others.
    """

    kind: Literal["median_frequency"] = "median_frequency"
    cap: Cap = 30.0


class EffectiveNumberWeights(Config):
    """Weights (1 - beta) / (1 - beta^n) of mean 1 (Cui et al. 2019), n the training images that hold a class.

    At beta 0 all are equal; towards 1 they become 1 / n. (With pixel counts for n they are flat at any usual beta.)
    """

    kind: Literal["effective_number"] = "effective_number"
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.99


def _kind(weights: object) -> object:
    """The kind that a mapping names, "power" where it names none: so it was before there were others."""
    return weights.get("kind", "power") if isinstance(weights, dict) else getattr(weights, "kind", None)


ClassWeighting = Annotated[
    Annotated[ClassWeights, Tag("power")]
    | Annotated[BalancedWeights, Tag("balanced")]
    | Annotated[MedianFrequencyWeights, Tag("median_frequency")]
    | Annotated[EffectiveNumberWeights, Tag("effective_number")],
    Discriminator(_kind),
]


class BackgroundPenalty(Config):
    """`miss` x mean of (1 - p0) where truth is background + `false_alarm` x mean of p0 where it is not."""

    kind: Literal["penalty"] = "penalty"
    miss: NonNegative = 0.0
    false_alarm: NonNegative = 0.5


class IgnoreBackground(Config):
    """Background pixels are masked from every term: the network then never learns to predict them."""

    kind: Literal["ignore"] = "ignore"


class LossConfig(Config):
    """A mixture of loss terms whose weights sum to 1, with what applies to all of them."""

    cross_entropy: CrossEntropyTerm | None = None
    focal: FocalTerm | None = None
    dice: DiceTerm | None = None
    tversky: TverskyTerm | None = None
    lovasz: LovaszTerm | None = None
    boundary: BoundaryTerm | None = None
    generalized_dice: GeneralizedDiceTerm | None = None
    hausdorff: HausdorffTerm | None = None
    class_weights: ClassWeighting | None = None
    background: Annotated[BackgroundPenalty | IgnoreBackground, Field(discriminator="kind")] | None = None

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each term that is used."""
        terms = {
            "cross_entropy": self.cross_entropy,
            "focal": self.focal,
            "dice": self.dice,
            "tversky": self.tversky,
            "lovasz": self.lovasz,
            "boundary": self.boundary,
            "generalized_dice": self.generalized_dice,
            "hausdorff": self.hausdorff,
        }
        return {name: term.weight for name, term in terms.items() if term is not None}

    @model_validator(mode="after")
    def _weights_sum_to_one(self) -> Self:
        total = sum(self.weights.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the weights of the loss terms must sum to 1, they sum to {total:.6g}")
        return self
