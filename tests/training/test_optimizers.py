"""Update rules against literal formulas and timm, decay groups, and resuming."""

import io
import math

import pytest
import torch
from pydantic import ValidationError
from timm.optim import create_optimizer_v2
from torch import Tensor, nn

from search.training.optimizers import (
    add_kernel_l2,
    build_optimizer,
    parameter_groups,
    use_averaged_weights,
    use_trained_weights,
)
from spaces.config import OptimizerConfig

ALGORITHMS = ("sgd", "adam", "adamw", "lion", "ranger", "nadam", "adabelief", "muon", "schedule_free")
each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


def config(algorithm: str, learning_rate: float = 1e-2, weight_decay: float = 0.1) -> OptimizerConfig:
    return OptimizerConfig.model_validate(
        {
            "algorithm": algorithm,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "schedule": "constant",
        }
    )


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        images = torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        model(images).square().mean().backward()
        optimizer.step()


def weights(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def gradients(steps: int, shape: tuple[int, ...]) -> list[Tensor]:
    return [torch.randn(shape, generator=torch.Generator().manual_seed(step)).double() for step in range(steps)]


def follow(algorithm: str, start: Tensor, steps: list[Tensor], weight_decay: float) -> Tensor:
    """Where our optimizer takes one matrix of weights along given gradients."""
    model = nn.Linear(*reversed(start.shape), bias=False).double()
    with torch.no_grad():
        model.weight.copy_(start)
    optimizer = build_optimizer(config(algorithm, 1e-2, weight_decay), model)
    for gradient in steps:
        model.weight.grad = gradient.clone()
        optimizer.step()
    return model.weight.detach()


# --- Literal formulas ------------------------------------------------------------------------------------------------


def sgd(w: Tensor, steps: list[Tensor], lr: float, decay: float) -> Tensor:
    velocity = torch.zeros_like(w)
    for g in steps:
        velocity = 0.9 * velocity + g + decay * w
        w = w - lr * velocity
    return w


def adam(
    w: Tensor, steps: list[Tensor], lr: float, coupled: float, decoupled: float, beta2: float = 0.999, eps: float = 1e-8
) -> Tensor:
    m = v = torch.zeros_like(w)
    for t, g in enumerate(steps, 1):
        g = g + coupled * w
        m, v = 0.9 * m + 0.1 * g, beta2 * v + (1 - beta2) * g**2
        w = w - lr * decoupled * w
        w = w - lr * (m / (1 - 0.9**t)) / ((v / (1 - beta2**t)).sqrt() + eps)
    return w


def lion(w: Tensor, steps: list[Tensor], lr: float, decay: float) -> Tensor:
    m = torch.zeros_like(w)
    for g in steps:
        w = w - lr * decay * w - lr * (0.9 * m + 0.1 * g).sign()
        m = 0.99 * m + 0.01 * g
    return w


def ranger(w: Tensor, steps: list[Tensor], lr: float, decay: float) -> Tensor:
    """RAdam (Liu et al. 2020) on centralized gradients, with Lookahead every sixth step."""
    m = v = torch.zeros_like(w)
    slow, beta1, beta2 = w, 0.95, 0.999
    horizon = 2 / (1 - beta2) - 1
    for t, g in enumerate(steps, 1):
        g = g - g.mean(1, keepdim=True)
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        length = horizon - 2 * t * beta2**t / (1 - beta2**t)
        w = w - lr * decay * w
        if length > 5:
            rectified = (length - 4) * (length - 2) * horizon / ((horizon - 4) * (horizon - 2) * length)
            w = w - lr * math.sqrt((1 - beta2**t) * rectified) / (1 - beta1**t) * m / (v.sqrt() + 1e-5)
        else:
            w = w - lr / (1 - beta1**t) * m
        if t % 6 == 0:
            w = slow = slow + 0.5 * (w - slow)
    return w


def nadam(w: Tensor, steps: list[Tensor], lr: float, decay: float) -> Tensor:
    """Dozat 2016, with his schedule of the momentum."""
    m = v = torch.zeros_like(w)
    product = 1.0
    for t, g in enumerate(steps, 1):
        now, soon = (0.9 * (1 - 0.5 * 0.96 ** (step * 0.004)) for step in (t, t + 1))
        product *= now
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        ahead = (1 - now) * g / (1 - product) + soon * m / (1 - product * soon)
        w = w - lr * decay * w - lr * ahead / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    return w


def adabelief(w: Tensor, steps: list[Tensor], lr: float, decay: float) -> Tensor:
    """Zhuang et al. 2020, algorithm 2."""
    m = s = torch.zeros_like(w)
    for t, g in enumerate(steps, 1):
        m = 0.9 * m + 0.1 * g
        s = 0.999 * s + 0.001 * (g - m) ** 2 + 1e-16
        w = w - lr * decay * w - lr * (m / (1 - 0.9**t)) / ((s / (1 - 0.999**t)).sqrt() + 1e-16)
    return w


def schedule_free(w: Tensor, steps: list[Tensor], lr: float, decay: float) -> tuple[Tensor, Tensor]:
    """Defazio et al. 2024, algorithm 1: the weights that gradients are taken at, and the average."""
    x = y = z = w
    v = torch.zeros_like(w)
    for t, g in enumerate(steps, 1):
        v = 0.999 * v + 0.001 * g**2
        z = z - lr * (g / ((v / (1 - 0.999**t)).sqrt() + 1e-8) + decay * y)
        x = (1 - 1 / t) * x + 1 / t * z
        y = 0.1 * z + 0.9 * x
    return y, x


# Muon takes matrices as small as these for vectors: they show its fallback. Its own rule has a test below.
@pytest.mark.parametrize("decay", [0.0, 0.1])
@each_algorithm
def test_twenty_steps_follow_the_formula(algorithm: str, decay: float) -> None:
    start, steps = gradients(1, (3, 4))[0], gradients(21, (3, 4))[1:]
    expected = {
        "sgd": lambda: sgd(start, steps, 1e-2, decay),
        "adam": lambda: adam(start, steps, 1e-2, decay, 0.0),
        "adamw": lambda: adam(start, steps, 1e-2, 0.0, decay),
        "lion": lambda: lion(start, steps, 1e-2, decay),
        "ranger": lambda: ranger(start, steps, 1e-2, decay),
        "nadam": lambda: nadam(start, steps, 1e-2, decay),
        "adabelief": lambda: adabelief(start, steps, 1e-2, decay),
        "muon": lambda: adam(start, steps, 1e-2, 0.0, decay, beta2=0.95, eps=1e-7),
        "schedule_free": lambda: schedule_free(start, steps, 1e-2, decay)[0],
    }[algorithm]()
    torch.testing.assert_close(follow(algorithm, start, steps, decay), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(6, 2, 3, 3), (20, 2, 2, 2), (8, 5, 1, 1)])
def test_muon_orthogonalizes_the_momentum_of_flattened_kernels(shape: tuple[int, ...]) -> None:
    """Newton-Schulz' iteration, in bfloat16, is near the orthogonal factor of the polar decomposition."""
    kernel = nn.Conv2d(shape[1], shape[0], shape[2:], bias=False)
    start, momentum = kernel.weight.detach().clone(), torch.zeros(shape[0], math.prod(shape[1:]))
    optimizer = build_optimizer(config("muon", 0.1, 0.2), kernel)
    for gradient in gradients(3, shape):
        before = kernel.weight.detach().clone()
        kernel.weight.grad = gradient.float()
        optimizer.step()
        momentum = 0.95 * momentum + 0.05 * gradient.float().flatten(1)
        left, _, right = torch.linalg.svd(momentum, full_matrices=False)
        step = 0.1 * 0.2 * math.sqrt(max(momentum.shape)) * (left @ right).reshape(shape)
        expected = (1 - 0.1 * 0.2) * before - step
        assert (kernel.weight - expected).norm() < 0.05 * step.norm()
    assert not torch.equal(kernel.weight, start)


def test_schedule_free_switches_between_its_weights_and_their_average() -> None:
    start, steps = gradients(1, (3, 4))[0], gradients(9, (3, 4))[1:]
    model = nn.Linear(4, 3, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(start)
    optimizer = build_optimizer(config("schedule_free"), model)
    use_averaged_weights(optimizer)
    assert torch.equal(model.weight, start)
    for gradient in steps:
        use_trained_weights(optimizer)
        model.weight.grad = gradient.clone()
        optimizer.step()
        use_averaged_weights(optimizer)
    trained, average = schedule_free(start, steps, 1e-2, 0.1)
    torch.testing.assert_close(model.weight.detach(), average, rtol=1e-9, atol=1e-9)
    use_trained_weights(optimizer)
    torch.testing.assert_close(model.weight.detach(), trained, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("other", [{"schedule": "cosine"}, {"schedule": "constant", "ema_decay": 0.9}])
def test_schedule_free_wants_no_schedule_and_no_other_average(other: dict) -> None:
    with pytest.raises(ValidationError, match="schedule_free needs schedule constant and ema_decay null"):
        OptimizerConfig.model_validate({"algorithm": "schedule_free", **other})


@pytest.mark.parametrize(
    ("algorithm", "timms"),
    [("sgd", "momentum"), *((name, name) for name in ("adam", "adamw", "lion", "adabelief"))],
)
def test_a_network_trains_as_with_timms_optimizer(algorithm: str, timms: str) -> None:
    ours, theirs = network(), network()
    train(ours, build_optimizer(config(algorithm), ours), range(10))
    optimizer = create_optimizer_v2(theirs, opt=timms, lr=1e-2, weight_decay=0.1, momentum=0.9)
    train(theirs, optimizer, range(10))
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-4, atol=1e-6)


# --- Decay groups ----------------------------------------------------------------------------------------------------


@each_algorithm
def test_only_matrices_and_kernels_decay(algorithm: str) -> None:
    model = network()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 1.0)
        parameter.grad = torch.zeros_like(parameter)
    build_optimizer(config(algorithm), model).step()
    for parameter in model.parameters():
        assert (parameter < 1).all() if parameter.ndim > 1 else (parameter == 1).all()


def test_groups_hold_every_trained_parameter_once() -> None:
    model = network()
    model[0].weight.requires_grad_(False)
    groups = parameter_groups(model, 0.1)
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters() if parameter.requires_grad)


def test_a_group_without_parameters_is_left_out() -> None:
    assert len(parameter_groups(nn.Linear(2, 2, bias=False), 0.1)) == 1


# --- L2 of kernels ---------------------------------------------------------------------------------------------------


def upsampling() -> nn.Sequential:
    """Kernels of all kinds, one that gradients do not reach, and parameters that are no kernels."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.ConvTranspose2d(4, 3, 2), nn.Conv2d(3, 2, 1))
    layers.register_parameter("position", nn.Parameter(torch.ones(1, 2, 1, 1)))
    layers[3].weight.requires_grad_(False)
    return layers


@each_algorithm
def test_kernel_l2_is_keras_term_of_the_loss(algorithm: str) -> None:
    """Keras' l2(a) adds a * sum(w^2) over the kernels of convolutions to the loss."""
    ours, theirs = upsampling(), upsampling()
    optimizers = [build_optimizer(config(algorithm, 1e-3), model) for model in (ours, theirs)]
    for step in range(6):
        images = torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(step))
        losses = [(model(images) + model.position).square().mean() for model in (ours, theirs)]
        term = 0.05 * sum((theirs[index].weight ** 2).sum() for index in (0, 2))
        for optimizer, loss in zip(optimizers, (losses[0], losses[1] + term), strict=True):
            optimizer.zero_grad()
            loss.backward()
        add_kernel_l2(ours, 0.05)
        gradients_of = [[parameter.grad for parameter in model.parameters()] for model in (ours, theirs)]
        torch.testing.assert_close(*gradients_of, rtol=1e-4, atol=1e-6)
        for optimizer in optimizers:
            optimizer.step()
        ours.load_state_dict(theirs.state_dict())


def test_kernel_l2_pulls_kernels_that_the_loss_does_not_reach() -> None:
    layer = nn.Conv2d(2, 3, 3)
    add_kernel_l2(layer, 0.5)
    assert layer.weight.grad is not None
    torch.testing.assert_close(layer.weight.grad, layer.weight.detach())
    assert layer.bias is not None
    assert layer.bias.grad is None
    layer.weight.grad = None
    add_kernel_l2(layer, 0.0)
    assert layer.weight.grad is None


# --- Resuming --------------------------------------------------------------------------------------------------------


@each_algorithm
def test_a_resumed_optimizer_continues_identically(algorithm: str) -> None:
    straight, first = network(), network()
    train(straight, build_optimizer(config(algorithm), straight), range(17))

    optimizer = build_optimizer(config(algorithm), first)
    train(first, optimizer, range(8))
    file = io.BytesIO()
    torch.save({"model": first.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    checkpoint = torch.load(file, weights_only=True)

    second = network()
    resumed = build_optimizer(config(algorithm), second)
    second.load_state_dict(checkpoint["model"])
    resumed.load_state_dict(checkpoint["optimizer"])
    train(second, resumed, range(8, 17))
    for one, other in zip(weights(straight), weights(second), strict=True):
        assert torch.equal(one, other)


@each_algorithm
def test_training_lowers_the_loss(algorithm: str) -> None:
    model = network()
    images = torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    before = model(images).square().mean().item()
    train(model, build_optimizer(config(algorithm), model), range(30))
    assert model(images).square().mean().item() < 0.9 * before
