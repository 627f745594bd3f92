"""Learning rates: linear warm-up, then cosine, poly, plateau or constant, set before every update.

Our own rather than timm's: its plateau schedule is deprecated, and does not keep its state in checkpoints. Everything
but the plateau is a pure function of the number of updates done.
"""

import math
from typing import Any, Literal, Self

from torch.optim import Optimizer

from spaces.config import OptimizerConfig

ScheduleKind = Literal["cosine", "poly", "plateau", "constant"]
POLY_POWER = 0.9  # DeepLab (Chen et al. 2016)
PLATEAU_FACTOR = 0.3
PLATEAU_PATIENCE = 3


def learning_rate_factor(schedule: ScheduleKind, update: int, *, warmup: int, total: int) -> float:
    """What the base learning rate is multiplied by at update `update` (0, 1, ...) of `total`.

    The first `warmup` updates rise linearly, from 1 / warmup to 1. Cosine and poly then fall over the rest, to 0 after
    the last update. A plateau's reductions are `Plateau`'s matter.
    """
    if update < warmup:
        return (update + 1) / warmup
    progress = min(1.0, (update - warmup) / max(1, total - warmup))
    match schedule:
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * progress))
        case "poly":
            return (1 - progress) ** POLY_POWER
        case "plateau" | "constant":
            return 1.0


class Plateau:
    """Reduces the learning rate by `PLATEAU_FACTOR` after more than `PLATEAU_PATIENCE` epochs without a better value.

    The rule of torch's `ReduceLROnPlateau(mode="max", threshold=1e-4, threshold_mode="abs")`, apart from any optimizer,
    so that it composes with a warm-up.
    """

    THRESHOLD = 1e-4

    def __init__(self) -> None:
        self.best = -math.inf
        self.bad_epochs = 0
        self.factor = 1.0

    def update(self, value: float) -> None:
        """Take the validation value of one epoch."""
        if value > self.best + self.THRESHOLD:
            self.best, self.bad_epochs = value, 0
        else:
            self.bad_epochs += 1
        if self.bad_epochs > PLATEAU_PATIENCE:
            self.factor, self.bad_epochs = self.factor * PLATEAU_FACTOR, 0


class Schedule:
    """The learning rate of one trial.

    Call `step` before every update and `end_epoch` after every validation. A warm-up longer than half of the training
    is cut to that half, so that short trials reach their learning rate too.
    """

    def __init__(self, config: OptimizerConfig, *, max_epochs: int, updates_per_epoch: int) -> None:
        self.kind: ScheduleKind = config.schedule
        self.base = config.learning_rate
        self.total = max_epochs * updates_per_epoch
        self.warmup = min(config.warmup_epochs * updates_per_epoch, self.total // 2)
        self.warmup_epochs = self.warmup / updates_per_epoch
        self.plateau = Plateau()

    def learning_rate(self, update: int) -> float:
        """Learning rate of update `update`, counted from 0 over the whole training."""
        factor = learning_rate_factor(self.kind, update, warmup=self.warmup, total=self.total)
        return self.base * factor * self.plateau.factor

    def step(self, optimizer: Optimizer, update: int) -> float:
        """Set every parameter group to the learning rate of update `update`, and return it."""
        value = self.learning_rate(update)
        for group in optimizer.param_groups:
            group["lr"] = value
        return value

    def end_epoch(self, epoch: int, mean_iou: float) -> None:
        """Take the validation mean IoU of epoch `epoch` (1, 2, ...). The plateau does not count epochs of warm-up."""
        if self.kind == "plateau" and epoch > self.warmup_epochs:
            self.plateau.update(mean_iou)

    def state_dict(self) -> dict[str, Any]:
        """What cannot be computed from the number of updates: the plateau's state, as plain numbers."""
        return {"best": self.plateau.best, "bad_epochs": self.plateau.bad_epochs, "factor": self.plateau.factor}

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        """Continue where `state_dict` was taken."""
        self.plateau.best = state["best"]
        self.plateau.bad_epochs = state["bad_epochs"]
        self.plateau.factor = state["factor"]
        return self
