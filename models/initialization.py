"""How the weights of a network start, where a configuration replaces what the network's own code does."""

from typing import Literal

from torch import Tensor, nn

Initialization = Literal["default", "glorot_uniform", "he_normal"]


def initialize(network: nn.Module, initialization: Initialization) -> None:
    """Draw the weights of all convolutions and linear layers again, with biases of zero, as Keras does.

    What starts at zero stays there: those are the last layers of branches that begin as the identity.
    """
    if initialization == "default":
        return
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) or not _starts_at_random(module.weight):
            continue
        if initialization == "glorot_uniform":
            nn.init.xavier_uniform_(module.weight)
        else:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _starts_at_random(weight: Tensor) -> bool:
    """Whether a weight has values, and not all of them are zero; one that only measures a cost has none."""
    return not weight.is_meta and bool(weight.any())
