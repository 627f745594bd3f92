"""Trainings with a trainer that does not train."""

import os
import signal
from pathlib import Path

from search.data.samples import TrialData
from search.selection.trainings import Training, Trainings
from search.training.files import TrialFiles
from search.training.outcome import EpochReport, NotFiniteError, TrialOutcome
from search.training.outcome import Training as Epochs
from search.tuning.runner import Worker
from spaces.config import BudgetConfig, TrialConfig
from spaces.unet_family import unet_family
from tests.contracts.fake_training import admit, data, facts

EPOCHS = 4
CONFIG: TrialConfig = unet_family(facts()).default.model_copy(update={"budget": BudgetConfig(max_epochs=EPOCHS)})


def train(config: TrialConfig, data: TrialData, files: TrialFiles, known_epochs: int, threads: int) -> Epochs:
    """A curve that depends on the seed; a file `fault` beside the checkpoint makes the training fail."""
    done = int(files.checkpoint.read_text()) if files.checkpoint.exists() else 0
    for epoch in range(min(done, known_epochs) + 1, config.budget.max_epochs + 1):
        fault = files.checkpoint.with_name("fault")
        if fault.exists() and epoch == 3:
            kind = fault.read_text()
            if kind != "nan always":
                fault.unlink()
            if kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise NotFiniteError("the loss became nan") if kind.startswith("nan") else RuntimeError(kind)
        files.checkpoint.write_text(str(epoch))
        files.weights.write_text(str(epoch))
        yield EpochReport(
            epoch=epoch,
            miou=1 - 0.5**epoch - config.seed / 100,
            class_iou=(0.0, 0.5, 0.5),
            readings={},
            train_loss=1.0,
            learning_rate=0.1,
            seconds=0.01,
            threads=threads,
        )
    return TrialOutcome(kind="trained")


WORKER = Worker(data=data(), trainer=train, check=admit, threads=1)


def trainings(count: int = 2) -> list[Training]:
    return [Training(system="trial-7", config=CONFIG.model_copy(update={"seed": seed})) for seed in range(1, count + 1)]


def source_in(folder: Path, count: int = 2, **options: float | int) -> Trainings:
    return Trainings(trainings(count), folder, **options)


def prepared_fault(folder: Path, text: str) -> Trainings:
    """The first training fails in its third epoch."""
    source = source_in(folder)
    source.next_trial()
    source.release_live()
    (folder / "trial-7-seed-1" / "fault").write_text(text)
    return source_in(folder)
