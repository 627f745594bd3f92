"""Trials whose batches are made on the device learn what others learn."""

import pytest
import torch

from search.training.loop import Trial
from search.training.sources import build_source
from spaces.config import AugmentConfig, TrialConfig
from spaces.losses import BoundaryTerm, CrossEntropyTerm, LossConfig
from tests.training.trials import CPU, CROSS_ENTROPY, config, data

BOUNDARY = LossConfig(cross_entropy=CrossEntropyTerm(weight=0.9), boundary=BoundaryTerm(weight=0.1))


def values(trained: TrialConfig, where: str, epochs: int) -> list[float]:
    """Training loss and mIoU of each epoch."""
    made = data(images=16)
    torch.manual_seed(trained.seed)
    trial = Trial(trained, made, CPU)
    trial.batches = build_source(trained, made, CPU.device, "device" if where == "device" else "cpu")
    reports = [trial.train_epoch() for _ in range(epochs)]
    return [number for report in reports for number in (report.train_loss, report.miou)]


@pytest.mark.parametrize("loss", [CROSS_ENTROPY, BOUNDARY])
def test_untouched_images_give_the_very_same_curve(loss: LossConfig) -> None:
    plain = config(augment=AugmentConfig(geometric="none"), loss=loss)
    assert values(plain, "device", 2) == values(plain, "cpu", 2)


def test_varied_images_teach_as_much() -> None:
    augment = AugmentConfig(geometric="complex", photometric=True, mixing="cutmix")
    varied = config(augment=augment, epochs=12, learning_rate=1e-2, seed=0)
    last = {where: values(varied, where, 12)[-1] for where in ("cpu", "device")}
    assert min(last.values()) > 0.9
    assert abs(last["cpu"] - last["device"]) < 0.05
