"""What every network must do, whatever its family."""

from typing import get_args

import pytest
import torch
from torch import Tensor

from models.build import NETWORKS, build_model
from models.cost import measure_cost
from search.training.checkpoint import load_weights, pack_weights
from spaces.networks import ModelConfig
from tests.models.networks import small_networks

NAMES = list(small_networks())
every_network = pytest.mark.parametrize("name", NAMES)


def heads(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def test_every_family_is_built_and_tested() -> None:
    union, _ = get_args(ModelConfig)
    assert set(get_args(union)) == set(NETWORKS) == {type(config) for config in small_networks().values()}


@every_network
def test_sizes_channels_classes_and_a_batch_of_one(name: str) -> None:
    for channels, classes, size in [(1, 2, (64, 128)), (3, 20, (96, 96)), (1, 5, (250, 280)), (3, 2, (33, 50))]:
        network = build_model(small_networks(channels, classes)[name]).eval()
        with torch.no_grad():
            logits = network(torch.rand(1, channels, *size))
        assert logits.shape == (1, classes, *size)
        assert logits.isfinite().all()


@every_network
def test_the_same_seed_gives_the_same_weights_and_outputs(name: str) -> None:
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        outputs.append(heads(build_model(small_networks()[name])(torch.rand(2, 1, 64, 96))))
    assert all(torch.equal(first, second) for first, second in zip(*outputs, strict=True))


@every_network
def test_gradients_reach_every_kernel(name: str) -> None:
    torch.manual_seed(1)
    network = build_model(small_networks()[name])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    images = torch.rand(3, 1, 64, 96)
    reached = set()
    for _ in range(3):  # what starts at zero lets gradients through from the second step on
        optimizer.zero_grad()
        sum((logits - images.mean()).square().mean() for logits in heads(network(images))).backward()
        reached |= {key for key, p in network.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
        optimizer.step()
    assert {key for key, parameter in network.named_parameters() if parameter.ndim > 1} <= reached


@every_network
def test_bfloat16_in_channels_last(name: str) -> None:
    network = build_model(small_networks()[name]).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = heads(network(torch.rand(2, 1, 64, 96)))
    sum(logits.float().square().mean() for logits in outputs).backward()
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


@every_network
def test_a_step_lowers_the_loss(name: str) -> None:
    torch.manual_seed(0)
    network = build_model(small_networks(classes=2)[name])
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    images = torch.rand(4, 1, 32, 48)
    truth = (torch.nn.functional.avg_pool2d(images, 9, 1, 4)[:, 0] > 0.5).long()
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(heads(network(images))[0], truth)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-3:]) < 0.95 * losses[0]


@every_network
def test_weights_survive_a_round_trip(name: str, tmp_path) -> None:
    torch.manual_seed(0)
    first, second = (build_model(small_networks()[name]) for _ in range(2))
    images = torch.rand(2, 1, 64, 96)
    first(images)  # running statistics that are not the initial ones
    path = tmp_path / "weights.safetensors"
    path.write_bytes(pack_weights(first))
    load_weights(path, second)
    assert torch.equal(first.eval()(images), second.eval()(images))


@every_network
def test_the_cost_is_known_without_building_weights(name: str) -> None:
    config = small_networks()[name]
    cost = measure_cost(config, 64, 128)
    assert cost.parameters == sum(parameter.numel() for parameter in build_model(config).parameters())
    assert cost.macs > 0
