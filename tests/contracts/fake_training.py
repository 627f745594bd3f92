"""A trainer without training: curves that follow from the configuration alone, and failures on demand.

Both executors import it by name, in this process and in Ray's workers. A file `fault-N` in the study's folder makes
trial N fail: "KIND EPOCH TIMES".
"""

import errno
import hashlib
import os
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import yaml

from search.data.samples import Samples, TrialData
from search.files import UnwritableError
from search.training.files import TrialFiles
from search.training.outcome import EpochReport, NetworkCosts, NotFiniteError, Training, TrialOutcome
from spaces.config import TrialConfig
from spaces.facts import DataFacts

CLASSES = ("background", "soil", "rock")


def facts() -> DataFacts:
    return DataFacts(
        channels=1,
        class_names=CLASSES,
        background=0,
        ignored=(0,),
        objective=(1, 2),
        height=64,
        width=128,
        train_images=8,
        validation_images=4,
        class_pixels=(10, 20, 5),
        class_images=(8, 8, 4),
    )


def data() -> TrialData:
    def samples(count: int) -> Samples:
        return Samples(images=np.zeros((count, 64, 128, 1), np.uint8), masks=np.zeros((count, 64, 128), np.uint8))

    return TrialData(train=samples(8), validation=samples(4), facts=facts())


def quality(config: TrialConfig) -> float:
    """A number in [0, 1) that only the configuration decides, whatever its seed and the weights it starts from."""
    values = config.model_dump(mode="json", exclude={"pretrained"}) | {"seed": 0}
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


def value(config: TrialConfig, epoch: int) -> float:
    """A rising curve towards the configuration's quality."""
    return quality(config) * (1 - 0.5**epoch)


def costs(config: TrialConfig) -> NetworkCosts:
    """Costs that only the configuration decides: wider is slower, and what is good has many multiply-adds."""
    width = config.model.width / config.model.patch
    return NetworkCosts(latency=width / 4, macs=int(1e9 * (0.1 + quality(config))), parameters=int(1000 * width**2))


def measure(config: TrialConfig, data: TrialData, threads: int) -> NetworkCosts:
    """A meter of workers."""
    return costs(config)


def train(config: TrialConfig, data: TrialData, files: TrialFiles, known_epochs: int, threads: int) -> Training:
    """Reports `value` for each epoch; resumes after the epoch written in the checkpoint."""
    checkpoint, weights = files.checkpoint, files.weights
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for epoch in range(min(done, known_epochs) + 1, config.budget.max_epochs + 1):
        number = int(checkpoint.parent.name)
        _fail_where_asked(checkpoint, number, epoch)
        checkpoint.write_text(str(epoch))
        weights.write_text(str(epoch))
        yield EpochReport(
            epoch=epoch,
            miou=value(config, epoch),
            class_iou=(0.0, 0.5, 0.5),
            readings={},
            train_loss=1.0 / epoch,
            learning_rate=0.1,
            seconds=0.01,
            threads=threads,
        )
    return TrialOutcome(kind="trained")


def _fail_where_asked(checkpoint: Path, number: int, epoch: int) -> None:
    plan = checkpoint.parent.parent.parent / f"fault-{number}"
    if not plan.exists():
        return
    kind, at, times = plan.read_text().split()
    if epoch != int(at) or int(times) == 0:
        return
    plan.write_text(f"{kind} {at} {int(times) - 1}")
    _fail(kind, checkpoint)


def _fail(kind: str, checkpoint: Path) -> None:
    match kind:
        case "nan":
            raise NotFiniteError("the loss became nan in epoch 2")
        case "memory":
            raise MemoryError("no memory left")
        case "error":
            raise RuntimeError("a bug in the model")
        case "disk":
            raise UnwritableError(errno.ENOSPC, "No space left on device", str(checkpoint))
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill-actors":
            search = psutil.Process(os.getppid()).parent()
            assert search is not None
            for process in search.children(recursive=True):  # and no actor of another search on this machine
                if process.name().startswith("ray::_Inner"):
                    process.kill()
            time.sleep(60)  # this process ends with its actor
        case "kill-server":
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)


def admit(config: TrialConfig) -> str | None:
    """Refuses nothing."""
    return None


def too_wide(config: TrialConfig) -> bool:
    return config.model.width > 16 or config.model.patch == 1


def refuse_wide(config: TrialConfig) -> str | None:
    """Refuses networks wider than the default, and those on whole pixels."""
    return f"width {config.model.width}, patch {config.model.patch}" if too_wide(config) else None
