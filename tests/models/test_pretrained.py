"""A network takes over weights whole, or says what does not fit."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.build import build_model
from models.pretrained import load_start_weights
from search.errors import UserError
from spaces.networks import UNetConfig

SMALL = UNetConfig(in_channels=1, classes=3, depth=2, width=4, convs=1)
Weights = dict[str, np.ndarray]


def weights_of(config: UNetConfig = SMALL, seed: int = 1) -> Weights:
    torch.manual_seed(seed)
    network = build_model(config).train()
    network(torch.rand(2, 1, 16, 16))  # moves the running statistics
    return {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}


def test_every_tensor_is_taken_over() -> None:
    weights = weights_of()
    torch.manual_seed(2)
    network = build_model(SMALL)
    load_start_weights(network, weights)
    loaded = network.state_dict()
    assert loaded.keys() == weights.keys()
    assert all(np.array_equal(loaded[name].numpy(), weights[name]) for name in weights)
    weights[next(iter(weights))][...] = 7
    assert not np.array_equal(next(iter(network.state_dict().values())).numpy(), next(iter(weights.values())))


def without_last(weights: Weights) -> Weights:
    return dict(list(weights.items())[:-1])


def with_another(weights: Weights) -> Weights:
    return {**weights, "head.extra": np.zeros(1, np.float32)}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_last, r"; they have no network\.\S+\. Give best\.yaml and best\.safetensors of one training"),
        (with_another, r"; the network has no head\.extra\. Give"),
        (lambda _: weights_of(SMALL.model_copy(update={"width": 8})), r"; \S+ has the shape \(8, .*\), not \(4, .*\)"),
        (lambda _: {}, r"; they have no "),
    ],
)
def test_weights_of_another_network_are_refused_whole(spoil: Callable[[Weights], Weights], message: str) -> None:
    network = build_model(SMALL)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(UserError, match=f"^start weights must be those of the configuration's network{message}"):
        load_start_weights(network, spoil(weights_of()))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
