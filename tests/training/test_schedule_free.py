"""Trials whose optimizer averages weights itself, and the L2 of kernels in a trial."""

from pathlib import Path

import pytest
import torch

from models.build import build_model
from search.training.checkpoint import load_weights
from search.training.loop import Trial
from search.training.validation import objective, validate
from spaces.config import TrialConfig
from tests.training.trials import CPU, SMALL, config, curve, data, facts, run, weights_of

SCHEDULE_FREE = {"algorithm": "schedule_free", "schedule": "constant", "ema_decay": None, "learning_rate": 1e-2}


def schedule_free(epochs: int = 6) -> TrialConfig:
    return config(model=SMALL.model_copy(update={"dropout": 0.2}), epochs=epochs, **SCHEDULE_FREE)


def test_an_interrupted_trial_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    whole, _ = run(tmp_path / "whole", schedule_free())
    found = []
    for _ in range(2):
        found += run(tmp_path / "torn", schedule_free(), epochs=2, known=len(found))[0]
    rest, outcome = run(tmp_path / "torn", schedule_free(), known=len(found))
    assert curve(found + rest) == curve(whole)
    assert weights_of(tmp_path / "torn") == weights_of(tmp_path / "whole")
    assert outcome is not None
    assert outcome.kind == "trained"


def test_the_best_weights_reproduce_the_best_value(tmp_path: Path) -> None:
    reports, _ = run(tmp_path, schedule_free())
    network = build_model(schedule_free().model)
    load_weights(tmp_path / "best.safetensors", network)
    assert objective(validate(network, data(), CPU), facts()) == max(report.miou for report in reports)


def test_the_average_is_validated_and_the_other_weights_are_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial(schedule_free(), data(), CPU)
    trial.train_epoch()
    average = [parameter.detach().clone() for parameter in trial.validated.parameters()]
    states = [trial.optimizer.state[parameter]["z"].clone() for parameter in trial.model.parameters()]
    seen = []
    monkeypatch.setattr(trial.step, "loss_of", lambda batch: seen.append(snapshot(trial)) or nothing(trial))
    trial.train_epoch()
    expected = [x.lerp(z, 0.1) for x, z in zip(average, states, strict=True)]
    torch.testing.assert_close(seen[0], expected)
    assert any(not torch.allclose(x, y) for x, y in zip(average, seen[0], strict=True))


def snapshot(trial: Trial) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in trial.model.parameters()]


def nothing(trial: Trial) -> torch.Tensor:
    return torch.stack([parameter.sum() for parameter in trial.model.parameters()]).sum() * 0.0


def test_statistics_of_batch_normalization_are_measured_on_the_average() -> None:
    """Its running means are those of the averaged network over the training images."""
    trial = Trial(config(**SCHEDULE_FREE), data(), CPU)
    trial.train_epoch()
    layers = [layer for layer in trial.model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    inputs = []
    layers[0].register_forward_pre_hook(lambda layer, values: inputs.append(values[0]))
    assert not trial.validated.training
    with torch.no_grad():
        for batch, _ in trial._sample_batches():
            trial.validated(batch)
    measured = torch.stack([values.mean((0, 2, 3)) for values in inputs]).mean(0)
    torch.testing.assert_close(layers[0].running_mean, measured, rtol=1e-4, atol=1e-5)


def test_kernel_l2_shrinks_the_kernels_of_a_trial() -> None:
    def kernels(strength: float) -> float:
        trial = Trial(config(ema_decay=None, algorithm="sgd", learning_rate=1e-2, kernel_l2=strength), data(), CPU)
        trial.train_epoch()
        return sum(float(value.detach().square().sum()) for value in trial.model.parameters() if value.ndim > 2)

    assert kernels(0.5) < 0.99 * kernels(0.0)
