"""The averaged network against literal averages and timm's, its statistics, and resuming."""

import io

import pytest
import torch
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from search.training.ema import WeightAverage, measure_statistics


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3))


def disturb(model: nn.Module, step: int) -> None:
    """Change every weight, and the running statistics by a forward pass."""
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        model(torch.randn(2, 1, 4, 4, generator=generator))


@pytest.mark.parametrize(("updates", "decay"), [(10, 0.785), (100, 0.954), (1_000, 0.990), (10_000, 0.998)])
def test_golden_values_of_the_decay(updates: int, decay: float) -> None:
    average = WeightAverage(network(), 0.9999)
    average.updates = updates
    assert average.decay == pytest.approx(decay, abs=6e-4)
    assert average.decay == pytest.approx(1 - updates ** (-2 / 3))


def test_the_decay_stops_at_its_cap() -> None:
    average = WeightAverage(network(), 0.99)
    average.updates = 10**6
    assert average.decay == 0.99


def test_weights_are_averaged() -> None:
    model = network()
    average = WeightAverage(model, 0.6)
    expected = {name: value.clone() for name, value in model.named_parameters()}
    for step in range(1, 8):
        disturb(model, step)
        average.update()
        decay = min(0.6, 1 - step ** (-2 / 3))
        for name, value in model.named_parameters():
            expected[name] = (decay * expected[name] + (1 - decay) * value).detach()
    torch.testing.assert_close(dict(average.module.named_parameters()), expected, check_device=False)


def test_weights_are_those_of_timm() -> None:
    model = network()
    average, other = WeightAverage(model, 0.9), ModelEmaV3(model, decay=0.9, use_warmup=True, foreach=True)
    for step in range(1, 13):
        disturb(model, step)
        average.update()
        other.update(model, step=step)
    torch.testing.assert_close(
        dict(average.module.named_parameters()), dict(other.module.named_parameters()), rtol=0, atol=0
    )


def test_statistics_are_those_of_the_averaged_weights() -> None:
    model = network()
    average = WeightAverage(model, 0.6)
    for step in range(1, 4):
        disturb(model, step)
        average.update()
    batches = [torch.randn(4, 1, 4, 4) for _ in range(3)]
    measure_statistics(average.module, batches, lambda: torch.autocast("cpu", enabled=False))
    convolution, norm = average.module[0], average.module[1]
    outputs = [convolution(batch) for batch in batches]
    mean = torch.stack([output.mean((0, 2, 3)) for output in outputs]).mean(0)
    variance = torch.stack([output.var((0, 2, 3)) for output in outputs]).mean(0)
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, variance)
    assert norm.momentum == 0.1
    assert not average.module.training
    assert not any(layer.training for layer in average.module.modules())


def test_the_first_update_forgets_the_random_start() -> None:
    model = network()
    average = WeightAverage(model, 0.999)
    disturb(model, 1)
    average.update()
    torch.testing.assert_close(dict(average.module.named_parameters()), dict(model.named_parameters()))


def test_the_average_is_apart_from_the_model_and_in_evaluation_mode() -> None:
    model = network().train()
    average = WeightAverage(model, 0.9)
    before = average.module.state_dict()["0.weight"].clone()
    disturb(model, 1)
    assert torch.equal(average.module.state_dict()["0.weight"], before)
    assert model.training
    assert not average.module.training


def test_a_resumed_average_continues_identically() -> None:
    straight_model, model = network(), network()
    straight, first = WeightAverage(straight_model, 0.9), WeightAverage(model, 0.9)
    for step in range(1, 13):
        disturb(straight_model, step)
        straight.update()
    for step in range(1, 6):
        disturb(model, step)
        first.update()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = WeightAverage(model, 0.9)
    second.load_state_dict(torch.load(file, weights_only=True))
    for step in range(6, 13):
        disturb(model, step)
        second.update()
    assert second.updates == 12
    for name, value in straight.module.state_dict().items():
        assert torch.equal(second.module.state_dict()[name], value)
