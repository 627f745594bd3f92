"""Trials of the product that take their steps together: what `horizontal_fusion.py` measures.

Each trial keeps its own loss, optimizer, schedule and average. Its network's weights become views into those of the
fused network, so only the gradients are computed differently.
"""

import time
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Literal

import torch
from torch import Tensor

from benchmarks.fused_networks import FusedNetwork, GroupedNetwork, VmappedNetwork
from benchmarks.speed_arms import Epochs
from search.data.samples import TrialData
from search.training.compute import Compute
from search.training.device import GraphedStep, TensorBatch
from search.training.loop import Trial
from search.training.optimizers import add_kernel_l2
from search.tuning.probe import LAYOUTS, PRECISIONS, Mode
from spaces.config import TrialConfig
from spaces.losses import CrossEntropyTerm, DiceTerm

Form = Literal["vmap", "grouped"]
FORMS = {"vmap": VmappedNetwork, "grouped": GroupedNetwork}

STORED_BATCHES = 4
"""Augmented batches of each trial that are made beforehand and shown again and again, in all arms alike."""

TUNED_STEPS = 2
"""Steps that each mode of a fused arm is timed by, after one that warms up."""


class FusedStep:
    """The losses and the gradients of one step of all trials."""

    def __init__(self, model: FusedNetwork, trials: Sequence[Trial]) -> None:
        self.model = model
        self._trials, self._compute = trials, trials[0].compute

    def run(self, batches: tuple[TensorBatch, ...]) -> Tensor:
        """Leave the gradients of what `joined` made of K batches in the trials' networks; the losses (K,)."""
        (batch,) = batches
        self.model.zero_grad(set_to_none=True)
        with self._compute.autocast():
            outputs = self.model(self._compute.scaled(batch.images))
        pairs = zip(self._trials, outputs, batch.masks.long(), strict=True)
        losses = torch.stack([trial.loss(logits, masks) for trial, logits, masks in pairs])
        losses.sum().backward()
        for index, trial in enumerate(self._trials):
            for part, whole in zip(trial.model.parameters(), self.model.parameters(), strict=True):
                part.grad = None if whole.grad is None else self.model.part(whole.grad, index)
        return losses.detach()


def fuse(trials: Sequence[Trial], form: Form) -> FusedStep | GraphedStep:
    """The step of all trials, whose networks are views into the fused one from now on; recorded where theirs were."""
    fused = FORMS[form]([trial.model.train() for trial in trials])
    wholes = dict(fused.network.named_parameters()) | dict(fused.network.named_buffers())
    for index, trial in enumerate(trials):
        for name, own in [*trial.model.named_parameters(), *trial.model.named_buffers()]:
            own.data = fused.part(wholes[name].data, index)
    step = FusedStep(fused, trials)
    return GraphedStep(step) if isinstance(trials[0].step, GraphedStep) else step


def joined(batches: Sequence[TensorBatch]) -> TensorBatch:
    """K batches as one: images (N, K * C, H, W), masks (K, N, H, W)."""
    return TensorBatch(
        images=torch.cat([batch.images for batch in batches], dim=1),
        masks=torch.stack([batch.masks for batch in batches]),
    )


def variants(config: TrialConfig, count: int) -> list[TrialConfig]:
    """Trials that differ in what fused ones may: rate, decay, weights of the loss, seed (weights, order, flips)."""
    return [_variant(config, index) for index in range(count)]


def _variant(config: TrialConfig, index: int) -> TrialConfig:
    rate, decay = config.optimizer.learning_rate * 2 ** (index / 2 - 1), config.optimizer.weight_decay * (1 + index)
    share = 0.3 + 0.05 * index
    terms = {"cross_entropy": CrossEntropyTerm(weight=share), "dice": DiceTerm(weight=1 - share)}
    return config.model_copy(
        update={
            "optimizer": config.optimizer.model_copy(update={"learning_rate": rate, "weight_decay": decay}),
            "loss": config.loss.model_copy(update=terms),
            "seed": index,
        }
    )


def start(config: TrialConfig, data: TrialData) -> Trial:
    """A trial before its first step."""
    torch.manual_seed(config.seed)
    trial = Trial(config, data, Compute.here(config.budget))
    trial.model.train()
    return trial


def stored_batches(trial: Trial, steps: int) -> list[TensorBatch]:
    """The first batches of a trial, again and again for so many steps."""
    return list(islice(cycle(list(islice(trial.batches.epoch(0), STORED_BATCHES))), steps))


def follow(trial: Trial, update: int) -> None:
    """What the product does once the gradients are there."""
    trial.schedule.step(trial.optimizer, update)
    add_kernel_l2(trial.model, trial.config.optimizer.kernel_l2)
    trial.optimizer.step()
    if trial.average is not None:
        trial.average.update()


def train_alone(trial: Trial, batches: Sequence[TensorBatch]) -> Tensor:
    """One step of a trial by itself on each batch; the losses (S,)."""
    losses = []
    for update, batch in enumerate(batches):
        losses.append(trial.step.run((batch,)).clone())  # a recorded step writes the next loss to the same place
        follow(trial, update)
    return torch.stack(losses).cpu()


def train_fused(
    trials: Sequence[Trial], step: FusedStep | GraphedStep, batches: Sequence[Sequence[TensorBatch]]
) -> Tensor:
    """One step of all trials on each of their batches; the losses (K, S)."""
    losses = []
    for update, several in enumerate(zip(*batches, strict=True)):
        losses.append(step.run((joined(several),)).clone())
        for trial in trials:
            follow(trial, update)
    return torch.stack(losses, dim=1).cpu()


def packed(config: TrialConfig, data: TrialData, threads: int, *, images: int) -> Epochs:
    """One trial by itself, as a search runs it; several of these processes at once are packing."""
    del threads  # already set for this process
    trial = start(config, data)
    size = trial.batches.batch_size
    steps = max(1, images // size)
    batches = stored_batches(trial, steps)
    return Epochs(run=lambda: train_alone(trial, batches), images=steps * size, note=mode_words(config))


def fused(config: TrialConfig, data: TrialData, threads: int, *, form: Form, trials: int, images: int) -> Epochs:
    """`trials` trials in one process, as one network."""
    del threads
    started = [start(variant, data) for variant in variants(config, trials)]
    step = fuse(started, form)
    size = trials * started[0].batches.batch_size
    steps = max(1, images // size)
    batches = [stored_batches(trial, steps) for trial in started]
    return Epochs(run=lambda: train_fused(started, step, batches), images=steps * size, note=mode_words(config))


def in_mode(config: TrialConfig, mode: Mode) -> TrialConfig:
    """`config` in a precision and a layout."""
    budget = config.budget.model_copy(update={"precision": mode.precision, "layout": mode.layout})
    return config.model_copy(update={"budget": budget})


def mode_words(config: TrialConfig) -> str:
    """Precision and layout."""
    return f"{config.budget.precision}, {config.budget.layout}"


def fastest_mode(config: TrialConfig, data: TrialData, form: Form) -> Mode:
    """The mode in which two trials train fastest in this form, each mode timed for some steps on one thread.

    On a CPU by the time that the process computes: other work on the machine takes none of it.
    """
    torch.set_num_threads(1)
    modes = [Mode(precision, layout) for precision in PRECISIONS for layout in LAYOUTS]
    return min(modes, key=lambda mode: _seconds(in_mode(config, mode), data, form))


def _seconds(config: TrialConfig, data: TrialData, form: Form) -> float:
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    images = TUNED_STEPS * 2 * config.optimizer.batch_size
    epochs = fused(config, data, 1, form=form, trials=2, images=images)
    epochs.run()
    began = clock()
    epochs.run()
    return clock() - began
