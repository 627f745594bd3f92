"""Starting a network from weights that were trained before."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from search.errors import UserError


def load_start_weights(model: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Give `model` these parameters and buffers, in place of its random ones.

    Raises UserError that names the first tensor which is not in both, or of another shape.
    """
    own = model.state_dict()
    for name, tensor in own.items():
        if name not in weights:
            raise _of_another_network(f"they have no {name}")
        if weights[name].shape != tuple(tensor.shape):
            raise _of_another_network(f"{name} has the shape {weights[name].shape}, not {tuple(tensor.shape)}")
    if foreign := next((name for name in weights if name not in own), None):
        raise _of_another_network(f"the network has no {foreign}")
    model.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})


def _of_another_network(difference: str) -> UserError:
    return UserError(
        f"start weights must be those of the configuration's network; {difference}. Give best.yaml and "
        "best.safetensors of one training; search.export writes both"
    )
