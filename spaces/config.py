"""One point of a search space: everything that decides a trial's result, frozen and checked when built.

The classes nest as YAML does. `kind` selects one of several alternatives, `None` means "not used". Ranges that a search
draws from belong to the spaces; a configuration refuses only what could not be trained at all.
"""

from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Config(BaseModel):
    """Base of all configurations: frozen, unknown keys refused, YAML round trip."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_yaml(self) -> str:
        """This configuration as YAML text."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read what `to_yaml` wrote. Raises ValueError that names the offending key."""
        try:
            return cls.model_validate(yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise ValueError(f"not valid YAML: {error}") from error
        except ValidationError as error:
            raise ValueError(describe(error)) from error


def describe(error: ValidationError) -> str:
    """A pydantic error as one line a key: where, what rule, which value."""
    lines = []
    for entry in error.errors():
        where = ".".join(str(part) for part in entry["loc"]) or "configuration"
        lines.append(f"{where}: {entry['msg']} (got {entry['input']!r})")
    return "\n".join(lines)


# --- Network -------------------------------------------------------------------------------------------------------


class BatchNorm(Config):
    """torch.nn.BatchNorm2d."""

    kind: Literal["batch"] = "batch"


class GroupNorm(Config):
    """torch.nn.GroupNorm; the group count is lowered to gcd(groups, channels) where it does not divide."""

    kind: Literal["group"] = "group"
    groups: Count = 8


class InstanceNorm(Config):
    """torch.nn.InstanceNorm2d(affine=True)."""

    kind: Literal["instance"] = "instance"


class LayerNorm2d(Config):
    """Layer normalization over the channels of each pixel (timm.layers.LayerNorm2d)."""

    kind: Literal["layer2d"] = "layer2d"


class WeightStandardization(Config):
    """No normalization layer; convolutions standardize their weights (timm.layers.ScaledStdConv2d)."""

    kind: Literal["weight_standardization"] = "weight_standardization"


class NoNorm(Config):
    """No normalization at all, as in the original U-Net."""

    kind: Literal["none"] = "none"


Norm = Annotated[
    BatchNorm | GroupNorm | InstanceNorm | LayerNorm2d | WeightStandardization | NoNorm, Field(discriminator="kind")
]


class OktayGridGate(Config):
    """Grid attention gates of Attention U-Net (Oktay et al. 2018), gated by the bottleneck."""

    kind: Literal["oktay_grid"] = "oktay_grid"
    ratio: Fraction = 1.0


class AdditiveGate(Config):
    """Additive attention gates, each gated by the upsampled decoder feature (LeeJunHyun's AttU_Net)."""

    kind: Literal["additive"] = "additive"
    ratio: Fraction = 0.5


Gate = Annotated[OktayGridGate | AdditiveGate, Field(discriminator="kind")]


class ASPP(Config):
    """Atrous spatial pyramid pooling (DeepLabV3): 1x1, 3x3 at each rate, image pooling; `width` channels each."""

    kind: Literal["aspp"] = "aspp"
    rates: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 2, 4)
    width: Count = 128


class ParallelDilated(Config):
    """Parallel 3x3 convolutions at `rates`, fused by addition or by concatenation and a 1x1 (report 000)."""

    kind: Literal["parallel_dilated"] = "parallel_dilated"
    rates: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 2, 4)
    fusion: Literal["add", "concat"] = "add"


class WindowAttention(Config):
    """Pairs of shifted-window transformer blocks (Swin); `blocks` counts pairs."""

    kind: Literal["window_attention"] = "window_attention"
    blocks: Count = 1
    heads: Count = 4
    window: Count = 4
    mlp_ratio: Positive = 2.0
    drop_path: Fraction = 0.0


class GlobalAttention(Config):
    """Transformer blocks over all positions of the bottleneck, with a fixed 2-D sine position embedding."""

    kind: Literal["global_attention"] = "global_attention"
    blocks: Count = 1
    heads: Count = 4
    mlp_ratio: Positive = 2.0
    drop_path: Fraction = 0.0


Bottleneck = Annotated[ASPP | ParallelDilated | WindowAttention | GlobalAttention, Field(discriminator="kind")]


class UNetConfig(Config):
    """A U-Net (Ronneberger et al. 2015, padded) with the parts that the two reports tried.

    `depth` counts resolution levels, the bottleneck among them: level i has `width * 2**i` channels at stride
    `patch * 2**i`. A patch of 2 or 4 rearranges each square of that side into channels before the first level
    (`pixel_unshuffle`); the logits are interpolated back. The whole network then works on a quarter or a sixteenth of
    the positions.
    """

    family: Literal["unet"] = "unet"
    in_channels: Count
    classes: Annotated[int, Field(ge=2)]
    patch: Literal[1, 2, 4] = 1
    depth: Annotated[int, Field(ge=2, le=7)] = 4
    width: Count = 16
    convs: Count = 2
    upsampling: Literal["tconv2", "tconv3", "upconv3", "upcat"] = "tconv2"
    residual: Literal["none", "post_add", "pre_act"] = "none"
    activation: Literal["relu", "leaky_relu", "silu", "mish"] = "relu"
    norm: Norm = BatchNorm()
    dropout: Fraction = 0.0
    gate: Gate | None = None
    bottleneck: Bottleneck | None = None
    context: Literal["gc", "avg_mul"] | None = None
    squeeze_excitation: bool = False
    deep_supervision: Fraction | None = None
    input_norm: bool = False

    @property
    def bottleneck_channels(self) -> int:
        """Channels of the coarsest level."""
        return self.width * 2 ** (self.depth - 1)

    @model_validator(mode="after")
    def _heads_divide_channels(self) -> Self:
        if isinstance(self.bottleneck, WindowAttention | GlobalAttention):
            heads = self.bottleneck.heads
            if self.bottleneck_channels % heads:
                raise ValueError(
                    f"attention needs a number of heads that divides the bottleneck's channels; {heads} heads do not "
                    f"divide {self.bottleneck_channels} (width {self.width}, depth {self.depth})"
                )
        return self


ModelConfig = UNetConfig  # becomes a union, told apart by `family`, as soon as there is a second family


# --- Loss ----------------------------------------------------------------------------------------------------------


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


# --- Optimization, augmentation, budget ----------------------------------------------------------------------------


class OptimizerConfig(Config):
    """How weights are updated. Decay is coupled L2 for SGD and Adam, decoupled for AdamW, Lion and Ranger."""

    algorithm: Literal["sgd", "adam", "adamw", "lion", "ranger"] = "adamw"
    learning_rate: Positive = 2e-3
    weight_decay: NonNegative = 1e-2
    schedule: Literal["cosine", "poly", "plateau", "constant"] = "cosine"
    warmup_epochs: Annotated[int, Field(ge=0)] = 1
    batch_size: Annotated[int, Field(ge=2)] = 16
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None


class AugmentConfig(Config):
    """How training images vary. `strength` 1 is the usual amount, 0 is none; it scales all of them."""

    geometric: Literal["none", "flip", "mild", "complex"] = "flip"
    photometric: bool = False
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0
    vertical_flip: bool = False
    original_plus_augmented: bool = False
    mixing: Literal["none", "cutmix", "classmix"] = "none"
    copy_paste: Fraction = 0.0
    oversample: Count = 1


class BudgetConfig(Config):
    """How long and in which precision a trial trains. `patience` counts epochs without a better validation mIoU."""

    max_epochs: Count = 27
    patience: Count | None = None
    precision: Literal["float32", "bfloat16"] = "float32"


class TrialConfig(Config):
    """One point: everything that decides a trial's result, apart from the data."""

    model: ModelConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    augment: AugmentConfig
    budget: BudgetConfig = BudgetConfig()
    seed: Annotated[int, Field(ge=0)] = 0
