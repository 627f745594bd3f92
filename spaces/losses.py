"""Configuration of the loss: a mixture of terms, class weights, and what is done about the background."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

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
    """Tversky loss; `beta` weighs false negatives and 1 - beta false positives."""

    weight: Positive
    beta: Fraction = 0.7


class LovaszTerm(Config):
    """Lovasz-softmax over present classes (Berman et al. 2018)."""

    weight: Positive


class BoundaryTerm(Config):
    """Boundary loss (Kervadec et al. 2019), distance maps divided by the image's diagonal."""

    weight: Positive


class ClassWeights(Config):
    """Weights f^-exponent from the training pixel frequencies f, capped at `cap` times the smallest, of mean 1."""

    exponent: Fraction = 0.5
    cap: Annotated[float, Field(ge=1)] = 30.0


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
    class_weights: ClassWeights | None = None
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
        }
        return {name: term.weight for name, term in terms.items() if term is not None}

    @model_validator(mode="after")
    def _weights_sum_to_one(self) -> Self:
        total = sum(self.weights.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the weights of the loss terms must sum to 1, they sum to {total:.6g}")
        return self
