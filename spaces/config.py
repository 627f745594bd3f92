"""One point of a search space: everything that decides a trial's result, frozen and checked when built.

The classes nest as YAML does. `kind` selects one of several alternatives, `None` means "not used". Ranges that a search
draws from belong to the spaces; a configuration refuses only what could not be trained at all.
"""

import math
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


class PseudoLabels(Config):
    """Training on confident predictions of the network itself, on images without labels (Lee 2013, ICML workshop).

    At the start of an epoch the network that was last validated predicts the images that the epoch will show. A pixel
    keeps its predicted class where that is at least as probable as the class's threshold, else it has no label.

    - `weight`: of the loss on pseudo-labels beside that on labels; ours.
    - `threshold`: the lowest probability for any class (FixMatch, Sohn et al. 2020: 0.95).
    - `keep`: share of the pixels predicted as a class that may keep it, the most confident ones, for each class alike:
      easy classes would crowd out the others (class-balanced self-training, Zou et al. 2018: from 0.2 to 0.5).
    - `warmup`: share of the epochs that pass before the first pseudo-labels; the first epoch always does.
    """

    weight: Positive = 0.3
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.9
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.3

    def first_epoch(self, max_epochs: int) -> int:
        """The first epoch with pseudo-labels, counted from 0; never that one, whose network has learned nothing."""
        return max(1, math.ceil(self.warmup * max_epochs - 1e-9))


Precision = Literal["float32", "bfloat16"]
Layout = Literal["channels_last", "contiguous"]
"""Of images and features in memory: all channels of a pixel together (NHWC), or all pixels of a channel (NCHW)."""


class AugmentConfig(Config):
    """How training images vary.

    - `geometric`: flips; `mild` adds zoom, shift and rotation; `complex` adds elastic and other deformations.
    - `photometric`: brightness, contrast, gamma, noise, blur.
    - `strength` scales motion, deformation and light: 1 is the usual amount, at 0 only flips are left of them.
    - `original_plus_augmented`: each image is shown twice an epoch, once as it is.
    - `mixing`: patches of other images (CutMix), or pixels of half of another image's classes (ClassMix).
    - `copy_paste`: share of images that objects of the rare class are pasted into; `oversample`: how often images that
      hold it are shown in an epoch.
    - `pseudo_labels`: training on images without labels too, where the data has some.
    """

    geometric: Literal["none", "flip", "mild", "complex"] = "flip"
    photometric: bool = False
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0
    vertical_flip: bool = False
    original_plus_augmented: bool = False
    mixing: Literal["none", "cutmix", "classmix"] = "none"
    copy_paste: Fraction = 0.0
    oversample: Count = 1
    pseudo_labels: PseudoLabels | None = None


class BudgetConfig(Config):
    """How long a trial trains, in which precision and memory layout.

    `patience` counts epochs without a better validation mIoU. The layout moves no result but by rounding.
    """

    max_epochs: Count = 27
    patience: Count | None = None
    precision: Precision = "float32"
    layout: Layout = "channels_last"


class TrialConfig(Config):
    """One point: everything that decides a trial's result, apart from the data.

    `pretrained`: the weights that the network starts from. `none`: random ones; `imagenet`: those of timm for its
    encoder, if it has one; `sha256:...`: those of a safetensors file, named by the hash of its bytes, which fit.
    """

    model: ModelConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    augment: AugmentConfig
    budget: BudgetConfig = BudgetConfig()
    seed: Annotated[int, Field(ge=0)] = 0
    pretrained: Annotated[str, Field(pattern=r"^(none|imagenet|sha256:[0-9a-f]{64})$")] = "none"
