"""Fast paths of training give the golden curve: the losses and gradient norms of 20 plain float32 steps.

No step is augmented, so all paths train on equal batches; augmentations are compared by their moments in
`tests/training/device`, and by whole trials in `benchmarks/fast_paths.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from search.training.compute import Compute
from search.training.device import GraphedStep, TensorBatch
from search.training.device.graphs import Step
from search.training.loop import Trial
from search.training.optimizers import parameter_groups
from search.training.outcome import AugmentedOn
from search.training.sources import build_source
from search.training.validation import validate
from spaces.config import Layout, Precision
from tests.training.device.test_device_graphs import record
from tests.training.golden import DATA, EPOCHS, STEPS, Curve, golden_config, golden_curve, plain_curve
from tests.training.trials import CPU, data

FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


@dataclass(frozen=True, kw_only=True)
class Path:
    """One way to train, as this machine could. `loops` is what AdamW does with many parameters."""

    precision: Precision = "float32"
    layout: Layout = "contiguous"
    loops: Literal["fused", "foreach", "for-loop"] = "fused"
    batches: AugmentedOn = "cpu"
    recorded: bool = False


class NotedStep:
    """`step`, whose curve is noted."""

    def __init__(self, step: Step) -> None:
        self.model, self._step = step.model, step
        self.curve = Curve()

    def run(self, batches: tuple[TensorBatch, ...]) -> Tensor:
        loss = self._step.run(batches)
        assert loss.dtype == torch.float32
        self.curve.note(loss, self.model)
        return loss


def trained(path: Path) -> tuple[Trial, Curve]:
    """The trial after its epochs on one path, which its network is seen to compute in."""
    config = golden_config(path.precision, path.layout)
    torch.manual_seed(config.seed)
    trial = Trial(config, DATA, Compute.here(config.budget))
    trial.batches = build_source(config, DATA, CPU.device, path.batches)
    if path.loops != "fused":
        groups = parameter_groups(trial.model, config.optimizer.weight_decay)
        trial.optimizer = AdamW(groups, lr=config.optimizer.learning_rate, foreach=path.loops == "foreach", fused=False)
    noted = NotedStep(GraphedStep(trial.step, record) if path.recorded else trial.step)
    trial.step = noted
    outputs: list[Tensor] = []
    trial.model.register_forward_hook(lambda model, images, output: outputs.append(output.detach()))
    for _ in range(EPOCHS):
        trial.train_epoch()
    assert {output.dtype for output in outputs} == {getattr(torch, path.precision)}
    assert all(output.is_contiguous(memory_format=FORMATS[path.layout]) for output in outputs)
    return trial, noted.curve


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """The largest relative deviation of any step from the golden curve."""

    losses: float
    norms: float


FLOAT32 = Tolerance(losses=5e-4, norms=3e-3)
BFLOAT16 = Tolerance(losses=2e-3, norms=1.5e-2)
"""About three times the most that was measured."""


def deviations(curve: Curve) -> Tolerance:
    golden = golden_curve()
    assert len(curve.losses) == len(golden.losses) == STEPS
    return Tolerance(losses=largest(curve.losses, golden.losses), norms=largest(curve.norms, golden.norms))


def largest(values: list[float], expected: list[float]) -> float:
    return max(abs(value / other - 1) for value, other in zip(values, expected, strict=True))


def assert_within(found: Tolerance, tolerance: Tolerance) -> None:
    assert found.losses < tolerance.losses
    assert found.norms < tolerance.norms


def test_plain_steps_give_the_golden_curve() -> None:
    assert_within(deviations(plain_curve(golden_config(), DATA)), FLOAT32)


PATHS = {
    "eager float32": Path(),
    "channels_last": Path(layout="channels_last"),
    "bfloat16": Path(precision="bfloat16"),
    "bfloat16, channels_last": Path(precision="bfloat16", layout="channels_last"),
    "optimizer: foreach": Path(loops="foreach"),
    "optimizer: for-loop": Path(loops="for-loop"),
    "recorded": Path(recorded=True),
    "batches of the device": Path(batches="device"),
    "all together": Path(precision="bfloat16", layout="channels_last", recorded=True, batches="device"),
}


@pytest.mark.parametrize("path", PATHS.values(), ids=list(PATHS))
def test_a_fast_path_gives_the_golden_curve(path: Path) -> None:
    found = deviations(trained(path)[1])
    assert_within(found, BFLOAT16 if path.precision == "bfloat16" else FLOAT32)
