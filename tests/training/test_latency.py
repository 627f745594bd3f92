"""How long a network takes for one image."""

import pytest
import torch

from search.training import latency
from search.training.compute import Compute
from search.training.latency import PASSES, WARM_UP, measure_latency
from search.training.loop_entry import costs_in_worker
from spaces.networks import UNetConfig
from tests.training.trials import CPU, SMALL, config, data, facts


def test_the_median_of_the_passes_after_those_to_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the slow first passes nor a few disturbed ones count."""
    regular = [0.010 + 0.001 * step for step in range(PASSES)]
    disturbed = [*regular[: PASSES - 3], 5.0, 6.0, 7.0]
    passes = iter([9.0] * WARM_UP + disturbed)
    monkeypatch.setattr(latency, "_seconds", lambda network, image, compute: next(passes))
    assert measure_latency(SMALL, facts(), CPU) == pytest.approx(1000 * regular[PASSES // 2])
    assert next(passes, None) is None


def test_a_network_is_measured_as_its_trial_validates_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One image of the training size, in evaluation mode, without gradients, in the trial's precision and layout."""
    seen = []

    def seconds(network, image, compute) -> float:
        with compute.autocast():
            logits = network(image)
        seen.append((network.training, logits.requires_grad, logits.dtype, tuple(image.shape)))
        return 1.0

    monkeypatch.setattr(latency, "_seconds", seconds)
    rgb = facts().model_copy(update={"channels": 3})
    compute = Compute(device=torch.device("cpu"), precision="bfloat16", layout="contiguous")
    assert measure_latency(SMALL.model_copy(update={"in_channels": 3}), rgb, compute) == 1000.0
    assert set(seen) == {(False, False, torch.bfloat16, (1, 3, 32, 64))}
    assert not torch.is_autocast_enabled("cpu")


def test_a_far_larger_network_takes_longer() -> None:
    size = facts(height=64, width=128)
    large = UNetConfig(in_channels=1, classes=3, depth=4, width=32)
    assert measure_latency(large, size, CPU) > 2 * measure_latency(SMALL, size, CPU)


def test_what_a_worker_says_of_a_network() -> None:
    counted = costs_in_worker(config(), data(), 1, latency=False)
    measured = costs_in_worker(config(), data(), 1, latency=True)
    assert counted.latency is None
    assert measured.latency is not None
    assert measured.latency > 0
    assert (measured.macs, measured.parameters) == (counted.macs, counted.parameters)
    assert counted.macs > counted.parameters > 100
