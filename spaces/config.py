"""One point of a search space: everything that decides a trial's result, frozen and checked when built.

The classes nest as YAML does. `kind` selects one of several alternatives, `None` means "not used". Ranges that a search
draws from belong to the spaces; a configuration refuses only what could not be trained at all.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from spaces.losses import LossConfig
from spaces.networks import ModelConfig
from spaces.schema import Config, Count, Fraction, NonNegative, Positive


class OptimizerConfig(Config):
    """How weights are updated. Decay is coupled L2 for SGD and Adam, decoupled for all others.

    - `warmup_epochs`: the rate rises linearly from zero.
    - `ema_decay`: the exponential moving average of the weights is validated and kept in place of the weights
      themselves. `schedule_free` averages weights itself, and has neither a falling rate nor another average.
    - `kernel_l2`: Keras' `l2(a)` on the kernels of convolutions, a * sum(w^2) in the loss, whatever the algorithm.
    """

    algorithm: Literal["sgd", "adam", "adamw", "lion", "ranger", "nadam", "adabelief", "muon", "schedule_free"] = (
        "adamw"
    )
    learning_rate: Positive = 2e-3
    weight_decay: NonNegative = 1e-2
    schedule: Literal["cosine", "poly", "plateau", "constant"] = "cosine"
    warmup_epochs: Annotated[int, Field(ge=0)] = 1
    batch_size: Annotated[int, Field(ge=2)] = 16
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    kernel_l2: NonNegative = 0.0

    @property
    def averages_weights(self) -> bool:
        """Whether the weights that are validated are an average of those that are trained."""
        return self.ema_decay is not None or self.algorithm == "schedule_free"

    @model_validator(mode="after")
    def _schedule_free_stands_alone(self) -> Self:
        if self.algorithm == "schedule_free" and (self.schedule != "constant" or self.ema_decay is not None):
            raise ValueError(
                "schedule_free needs schedule constant and ema_decay null, since its average takes the place of both; "
                f"got schedule {self.schedule} and ema_decay {self.ema_decay}"
            )
        return self


class AugmentConfig(Config):
    """How training images vary.

    - `geometric`: flips; `mild` adds zoom, shift and rotation; `complex` adds elastic and other deformations.
    - `photometric`: brightness, contrast, gamma, noise, blur.
    - `strength` scales motion, deformation and light: 1 is the usual amount, at 0 only flips are left of them.
    - `original_plus_augmented`: each image is shown twice an epoch, once as it is.
    - `mixing`: patches of other images (CutMix), or pixels of half of another image's classes (ClassMix).
    - `copy_paste`: share of images that objects of the rare class are pasted into; `oversample`: how often images that
      hold it are shown in an epoch.
    """

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
    """One point: everything that decides a trial's result, apart from the data.

    `pretrained` is what the network starts from: random weights, an encoder's ImageNet weights, or those of a
    safetensors file, known by the sha256 of its bytes.
    """

    model: ModelConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    augment: AugmentConfig
    budget: BudgetConfig = BudgetConfig()
    seed: Annotated[int, Field(ge=0)] = 0
    pretrained: Annotated[str, Field(pattern=r"^(none|imagenet|sha256:[0-9a-f]{64})$")] = "none"
