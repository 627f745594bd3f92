"""Training one trial, from its configuration to its last epoch. Reads top to bottom."""

import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.build import build_model
from models.pretrained import load_pretrained
from search.data.samples import TrialData
from search.files import make_folder, write_together
from search.training.batches import sample_batches, to_target
from search.training.calibration import calibrate
from search.training.checkpoint import load_checkpoint, pack_checkpoint, pack_weights
from search.training.compute import Compute
from search.training.device import GraphedStep, TensorBatch
from search.training.ema import WeightAverage, measure_statistics
from search.training.files import TrialFiles
from search.training.losses import build_loss
from search.training.optimizers import add_kernel_l2, build_optimizer, use_averaged_weights, use_trained_weights
from search.training.outcome import (
    AugmentedOn,
    EpochReport,
    IncompatibleWeightsError,
    NotFiniteError,
    Training,
    TrialOutcome,
    best_report,
)
from search.training.pictures import EpochPictures
from search.training.pseudo_labels import build_pseudo_batches
from search.training.schedules import Schedule
from search.training.sources import augmented_on, build_source
from search.training.step import GradientStep
from search.training.validation import class_ious, objective, readings, validate
from spaces.config import TrialConfig

logger = logging.getLogger(__name__)


def train(config: TrialConfig, data: TrialData, files: TrialFiles, known_epochs: int = 0, threads: int = 1) -> Training:
    """Train a configuration, one epoch for each report that is asked for; whoever iterates decides whether to go on.

    A trial whose checkpoint exists goes on after the epoch saved there; reports up to epoch `known_epochs` are not
    repeated. The best weights so far are in `files.weights` (safetensors); pictures are drawn where `files` asks for
    them. On a CPU the same configuration, seed and number of threads give the same curve, interrupted or not. Returns
    how the trial ended; raises NotFiniteError, and IncompatibleWeightsError where the network cannot start from the
    weights that the configuration names.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(config.seed)
    trial = Trial(config, data, Compute.here(config.budget))
    trial.load(files.checkpoint)
    for report in trial.reports:
        if report.epoch > known_epochs:
            yield report
    pictures = EpochPictures(data) if files.pictures_every else None
    while len(trial.reports) < config.budget.max_epochs:
        if trial.out_of_patience:
            return TrialOutcome(kind="early_stopped", reason=f"no better mIoU for {config.budget.patience} epochs")
        report = trial.train_epoch()
        contents = {files.checkpoint: pack_checkpoint(trial.state_dict())}
        if report.epoch == trial.best_epoch:
            contents = {files.weights: pack_weights(trial.validated), **contents}
        if pictures is not None and (path := files.picture(report.epoch)) is not None:
            make_folder(path.parent)
            contents = {path: pictures.draw(trial.validated, report, trial.compute), **contents}
        write_together(contents)
        if report.epoch > known_epochs:
            yield report
    return TrialOutcome(kind="trained")


class Trial:
    """The parts of one trial, and one epoch of its training."""

    def __init__(self, config: TrialConfig, data: TrialData, compute: Compute) -> None:
        self.config = config
        self.data = data
        self.compute = compute
        self.augmented_on: AugmentedOn = augmented_on(data, compute)
        self.batches = build_source(config, data, compute.device, self.augmented_on)
        self.model = build_model(config.model)
        self.pretrained = self._load_pretrained()
        compute.place(self.model)
        self.loss = build_loss(
            config.loss,
            data.facts,
            deep_supervision=config.model.auxiliary_weight,
            one_vs_rest=config.model.one_vs_rest,
        )
        self.loss.to(compute.device)
        self.pseudo_batches = build_pseudo_batches(config, data, compute, self.loss.ignored_background)
        step = GradientStep(self.model, self.loss, compute, data.facts.classes)
        self.step = GraphedStep(step) if self._is_recorded else step
        self.optimizer = build_optimizer(config.optimizer, self.model)
        self.schedule = Schedule(
            config.optimizer, max_epochs=config.budget.max_epochs, updates_per_epoch=self.batches.steps
        )
        decay = config.optimizer.ema_decay
        self.average = WeightAverage(self.model, decay) if decay is not None else None
        self.reports: list[EpochReport] = []

    def _load_pretrained(self) -> float | None:
        """Load the weights that the configuration names; the share of the network's parameters.

        Raises IncompatibleWeightsError.
        """
        try:
            loaded = load_pretrained(self.model, self.config.pretrained, self.data.initial_weights)
        except ValueError as error:
            raise IncompatibleWeightsError(str(error)) from error
        return None if loaded is None else loaded.share

    @property
    def _is_recorded(self) -> bool:
        """Whether steps are one CUDA graph: on a GPU alone, and of one batch, whose shape never changes."""
        on_gpu = self.compute.device.type == "cuda" and self.config.loss.hausdorff is None
        return on_gpu and self.pseudo_batches is None

    @property
    def validated(self) -> nn.Module:
        """The network that is validated and kept: the averaged one where there is an average."""
        return self.average.module if self.average is not None else self.model

    @property
    def best_epoch(self) -> int:
        """The first epoch that has the best value, 0 before the first."""
        return best_report(self.reports).epoch if self.reports else 0

    @property
    def out_of_patience(self) -> bool:
        """Whether `patience` epochs have passed since the best one."""
        patience = self.config.budget.patience
        return patience is not None and len(self.reports) - self.best_epoch >= patience

    def train_epoch(self) -> EpochReport:
        """Train one epoch, validate, and report. Raises NotFiniteError."""
        started = time.perf_counter()
        epoch = len(self.reports) + 1
        # Dropout draws from the global generator: seeded by epoch, a resumed trial needs no random state.
        torch.manual_seed(int(np.random.SeedSequence(self.config.seed, spawn_key=(epoch,)).generate_state(1)[0]))
        streams = [self.batches.epoch(epoch - 1)]
        if self.pseudo_batches is not None and self.pseudo_batches.begun(epoch - 1):
            streams.append(self.pseudo_batches.epoch(epoch - 1, self.validated, self.batches))
        loss, rate = self._update_on(zip(*streams, strict=True), (epoch - 1) * self.batches.steps)
        if not np.isfinite(loss):
            raise NotFiniteError(f"the training loss became {loss} in epoch {epoch}")
        if self.config.optimizer.averages_weights:
            images = (images for images, _ in self._sample_batches())
            measure_statistics(self.validated, images, self.compute.autocast)
        calibrate(self.validated, self._sample_batches(), self.compute.autocast)
        confusion = validate(self.validated, self.data, self.compute)
        value = objective(confusion, self.data.facts)
        self.schedule.end_epoch(epoch, value)
        report = EpochReport(
            epoch=epoch,
            miou=value,
            class_iou=class_ious(confusion, self.data.facts),
            readings=readings(confusion, self.data.facts.background),
            train_loss=loss,
            learning_rate=rate,
            seconds=time.perf_counter() - started,
            threads=torch.get_num_threads(),
            augmented_on=self.augmented_on,
            pretrained=self.pretrained,
        )
        self.reports.append(report)
        return report

    def _update_on(self, steps: Iterable[tuple[TensorBatch, ...]], first_update: int) -> tuple[float, float]:
        """One update a step, on all of its batches; the mean loss, read once at the end, and the last learning rate.

        The network is left with the weights that its optimizer wants validated and saved.
        """
        self.model.train()
        use_trained_weights(self.optimizer)
        total = torch.zeros((), device=self.compute.device)
        rate = 0.0
        for update, batches in enumerate(steps, start=first_update):
            rate = self.schedule.step(self.optimizer, update)
            total += self.step.run(batches)
            add_kernel_l2(self.model, self.config.optimizer.kernel_l2)
            self.optimizer.step()
            if self.average is not None:
                self.average.update()
        use_averaged_weights(self.optimizer)
        return float(total) / self.batches.steps, rate

    def _sample_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Training images as they are with their labels as the loss sees them, spread over the whole part."""
        for images, masks in sample_batches(self.data, self.config.seed):
            yield self.compute.images(images), self.loss.labels(to_target(masks, self.compute.device))

    def state_dict(self) -> dict[str, Any]:
        """All that the next epoch depends on, the reports so far included."""
        return {
            "config": self.config.model_dump(mode="json"),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "reports": [report.model_dump(mode="json") for report in self.reports],
        }

    def _is_mine(self, stored: dict[str, Any]) -> bool:
        """Whether a stored configuration is this one; one from before a field existed has that field's default."""
        try:
            return TrialConfig.model_validate(stored) == self.config
        except ValueError:
            return False

    def load(self, path: Path) -> None:
        """Continue where the checkpoint at `path` was written, if there is one of this configuration."""
        state = load_checkpoint(path)
        if state is None:
            return
        if not self._is_mine(state["config"]):
            logger.warning("the checkpoint %s is of another configuration, the trial begins anew", path)
            return
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.reports = [EpochReport.model_validate(report) for report in state["reports"]]
