"""Whether weights are all of a network's and no others."""

import numpy as np
import pytest

from models.build import build_model
from models.pretrained import check_whole
from spaces.networks import UNetConfig

UNET = UNetConfig(in_channels=1, classes=4, depth=3, width=4)


def without_last(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return dict(list(weights.items())[:-1])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_last, r"they have no network\.\S+"),
        (lambda weights: {**weights, "head.extra": np.zeros(1, np.float32)}, r"the network has no head\.extra"),
        (
            lambda weights: {name: np.zeros((9, *array.shape[1:]), array.dtype) for name, array in weights.items()},
            r"\S+ has the shape \(9, .*\), not \(4, .*\)",
        ),
        (lambda _: {}, r"they have no "),
    ],
)
def test_weights_of_another_network_are_none_of_this_one(spoil, message: str) -> None:
    network = build_model(UNET)
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    check_whole(network, weights)
    with pytest.raises(ValueError, match=message):
        check_whole(network, spoil(weights))
