"""The golden curve: losses and gradient norms of 20 training steps, by the loop that anyone would write.

    uv run python -m tests.training.golden

records it anew in `golden.json`. That is right only where the default point's loss or optimizer, or the network, is
meant to train otherwise than before.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import AdamW

from models.build import build_model
from search.data.samples import Samples, TrialData
from search.training.batches import TrainBatches
from search.training.losses import build_loss
from search.training.optimizers import parameter_groups
from search.training.schedules import Schedule
from spaces.config import AugmentConfig, BudgetConfig, Layout, Precision, TrialConfig
from spaces.presets import build_space
from tests.training.trials import data

FILE = Path(__file__).with_name("golden.json")
EPOCHS, STEPS = 4, 20


def in_color(grey: TrialData) -> TrialData:
    """Three channels that differ: with one, both memory layouts are the same bytes."""

    def colored(samples: Samples) -> Samples:
        images = np.asarray(samples.images)
        return replace(samples, images=np.concatenate((images, images // 2, 255 - images), axis=-1))

    facts = grey.facts.model_copy(update={"channels": 3})
    return replace(grey, train=colored(grey.train), validation=colored(grey.validation), facts=facts)


DATA = in_color(data(images=80, height=24, width=48))


def golden_config(precision: Precision = "float32", layout: Layout = "contiguous") -> TrialConfig:
    """The default point with a small U-Net; no augmentation, so that any source of batches gives the same ones."""
    default = build_space("unet_family", DATA.facts).default
    return default.model_copy(
        update={
            "model": default.model.model_copy(update={"depth": 3, "width": 8}),
            "augment": AugmentConfig(geometric="none"),
            "budget": BudgetConfig(max_epochs=EPOCHS, precision=precision, layout=layout),
        }
    )


@dataclass(kw_only=True)
class Curve:
    """The loss of each step, and the norm of all gradients before its update.

    Adam's updates hardly depend on the scale of the gradients: their norm shows it, the losses would not.
    """

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)

    def note(self, loss: Tensor, model: nn.Module) -> None:
        """Add a step whose gradients lie in `model`."""
        self.losses.append(float(loss.detach()))
        self.norms.append(float(get_total_norm([p.grad for p in model.parameters() if p.grad is not None])))


def plain_curve(config: TrialConfig, trained_on: TrialData) -> Curve:
    """Float32, contiguous, eager, AdamW parameter by parameter: nothing of the training loop is used."""
    torch.manual_seed(config.seed)
    model = build_model(config.model).train()
    loss_of = build_loss(config.loss, trained_on.facts)
    rate, decay = config.optimizer.learning_rate, config.optimizer.weight_decay
    optimizer = AdamW(parameter_groups(model, decay), lr=rate, foreach=False, fused=False)
    schedule = Schedule(config.optimizer, max_epochs=EPOCHS, updates_per_epoch=STEPS // EPOCHS)
    curve = Curve()
    for update, (images, masks) in enumerate(_plain_batches(config, trained_on)):
        schedule.step(optimizer, update)
        optimizer.zero_grad()
        loss = loss_of(model(images), masks)
        loss.backward()
        curve.note(loss, model)
        optimizer.step()
    return curve


def _plain_batches(config: TrialConfig, trained_on: TrialData) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (N, C, H, W) float32 in 0 to 1 and masks (N, H, W) int64."""
    batches = TrainBatches(trained_on, config.augment, batch_size=config.optimizer.batch_size, seed=config.seed)
    for epoch in range(EPOCHS):
        for batch in batches.epoch(epoch):
            images = torch.tensor(batch.images).permute(0, 3, 1, 2).contiguous() / 255
            yield images, torch.tensor(batch.masks).long()


def golden_curve() -> Curve:
    """The curve that was recorded."""
    return Curve(**json.loads(FILE.read_text()))


def main() -> None:
    """Record."""
    torch.set_num_threads(1)
    curve = plain_curve(golden_config(), DATA)
    rounded = {name: [round(value, 7) for value in values] for name, values in asdict(curve).items()}
    FILE.write_text(json.dumps(rounded, indent=1) + "\n")


if __name__ == "__main__":
    main()
