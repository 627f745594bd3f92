"""Whether fused training is right: the same as that of each trial by itself."""

from itertools import product

import torch

from benchmarks.fused_training import (
    FORMS,
    Form,
    fuse,
    in_mode,
    mode_words,
    start,
    stored_batches,
    train_alone,
    train_fused,
    variants,
)
from search.data.samples import TrialData
from search.training.loop import Trial
from search.tuning.probe import LAYOUTS, PRECISIONS, Mode
from spaces.config import TrialConfig

STEPS, BATCH = 5, 4
RATES = {"sgd": 0.03, "adamw": 1e-3}
SAME_WEIGHTS = 1e-4
"""The most by which weights and running statistics differ after the steps, with SGD in float32."""

SAME_LOSS = {"float32": 1e-4, "bfloat16": 2e-3}
"""The most by which losses differ. bfloat16 keeps 8 bits."""


def check_fusion(config: TrialConfig, data: TrialData, trials: int = 2) -> list[str]:
    """Train trials alone and fused, from the same weights on the same batches. Raises RuntimeError where they part.

    Weights are compared with SGD in float32 alone. AdamW divides each gradient by its own size, also one that is
    nothing but rounding (a bias before a normalization has no other), and bfloat16 rounds too much: there losses are.
    """
    torch.set_num_threads(1)  # more would wait for each other beside other work
    torch.backends.cudnn.allow_tf32 = False  # it rounds more than is allowed here
    lines = []
    for form, algorithm, mode in product(FORMS, RATES, (Mode(*pair) for pair in product(PRECISIONS, LAYOUTS))):
        changes = {"algorithm": algorithm, "learning_rate": RATES[algorithm], "batch_size": BATCH, "warmup_epochs": 0}
        optimizer = config.optimizer.model_copy(update=changes)
        changed = in_mode(config.model_copy(update={"optimizer": optimizer}), mode)
        lines.append(_check(changed, data, form, trials))
    return lines


def _check(config: TrialConfig, data: TrialData, form: Form, trials: int) -> str:
    configs = variants(config, trials)
    alone, together = ([start(variant, data) for variant in configs] for _ in range(2))
    batches = [stored_batches(trial, STEPS) for trial in alone]
    expected = torch.stack([train_alone(trial, own) for trial, own in zip(alone, batches, strict=True)])
    losses = train_fused(together, fuse(together, form), batches)
    apart = float((losses - expected).abs().max())
    words = f"{form}, {config.optimizer.algorithm}, {mode_words(config)}: losses differ by {apart:.1e}"
    wrong = not apart <= SAME_LOSS[config.budget.precision]
    if config.optimizer.algorithm == "sgd" and config.budget.precision == "float32":
        weights = max(_weights_apart(one, other) for one, other in zip(alone, together, strict=True))
        words += f", weights and statistics by {weights:.1e}"
        wrong = wrong or not weights <= SAME_WEIGHTS
    if wrong:
        raise RuntimeError(f"fused training is not that of each trial alone: {words}")
    return words


def _weights_apart(one: Trial, other: Trial) -> float:
    """The largest difference of two trials' parameters and running statistics."""
    pairs = zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    return max(float((a.double() - b.double()).abs().max()) for a, b in pairs if a.is_floating_point())
