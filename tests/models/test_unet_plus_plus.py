"""U-Net++ against a literal reading of X(i, j) = block([X(i, 0..j-1), up X(i+1, j-1)])."""

import pytest
import torch
from torch.nn import functional

from models.frame import Framed
from models.unet_plus_plus import UNetPlusPlus
from spaces.networks import NoNorm, UNetPlusPlusConfig


def make_config(**options) -> UNetPlusPlusConfig:
    return UNetPlusPlusConfig(**{"in_channels": 1, "classes": 5, "depth": 4, "width": 4, **options})


def make_network(config: UNetPlusPlusConfig) -> UNetPlusPlus:
    return UNetPlusPlus(config, in_channels=config.patched_channels, classes=config.classes)


def parameters(*, in_channels: int, classes: int, **options) -> int:
    config = make_config(depth=5, width=32, **options)
    with torch.device("meta"):
        network = UNetPlusPlus(config, in_channels=in_channels, classes=classes)
    return sum(parameter.numel() for parameter in network.parameters())


def in_tuple(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


def test_parameter_counts():
    assert parameters(in_channels=3, classes=1) == 9_163_329
    assert parameters(in_channels=1, classes=5) == 9_162_885
    assert parameters(in_channels=1, classes=5, deep_supervision=0.4) == 9_163_380


def test_nodes_are_those_of_the_definition():
    torch.manual_seed(0)
    network = make_network(make_config(deep_supervision=0.4))
    images = torch.rand(2, 1, 16, 24)

    def node(i, j):
        if j == 0:
            return network.encoder[i](images if i == 0 else functional.max_pool2d(node(i - 1, 0), 2))
        below = functional.interpolate(node(i + 1, j - 1), scale_factor=2, mode="bilinear", align_corners=False)
        return network.columns[j - 1].nodes[i](torch.cat([*(node(i, k) for k in range(j)), below], dim=1))

    heads = [network.head.main, *network.head.auxiliary]
    expected = [head(node(0, j)) for head, j in zip(heads, (3, 2, 1), strict=True)]
    assert all(torch.equal(*pair) for pair in zip(network(images), expected, strict=True))


@pytest.mark.parametrize("place", [(i, j) for j in range(4) for i in range(4 - j)])
def test_a_node_reaches_what_lies_right_of_its_diagonal(place):
    torch.manual_seed(0)
    network = make_network(make_config(norm=NoNorm(), activation="silu", deep_supervision=0.4))
    images, (i, j) = torch.rand(1, 1, 16, 16), place
    before = network(images)
    block = network.encoder[i] if j == 0 else network.columns[j - 1].nodes[i]
    block.register_forward_hook(lambda module, inputs, output: output + 1)
    after = network(images)
    changed = [column for column, *pair in zip((3, 2, 1), before, after, strict=True) if not torch.equal(*pair)]
    assert changed == [column for column in (3, 2, 1) if column >= i + j]


def test_auxiliary_logits_come_in_training_only_and_at_full_resolution():
    network = make_network(make_config(depth=5, deep_supervision=0.4))
    images = torch.rand(2, 1, 16, 32)
    assert [tuple(logits.shape) for logits in network(images)] == [(2, 5, 16, 32)] * 4
    assert isinstance(network.eval()(images), torch.Tensor)
    assert len(make_network(make_config(depth=2, deep_supervision=0.4))(torch.rand(1, 1, 4, 4))) == 1


def test_frame_crops_all_heads_to_the_image():
    config = make_config(deep_supervision=0.4)
    outputs = Framed(make_network(config), config)(torch.rand(2, 1, 11, 19))
    assert [tuple(logits.shape) for logits in outputs] == [(2, 5, 11, 19)] * 3
