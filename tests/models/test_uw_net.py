"""Attention UW-Net against a literal reading of its definition."""

import torch
from torch import nn
from torch.nn import functional

from models.layers import Layers
from models.uw_net import GatedRise, TransposedGate, UWNet
from spaces.networks import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm2d,
    NoNorm,
    UWNetConfig,
)

LAYERS = Layers(norm=BatchNorm(), activation="relu", dropout_rate=0.0)


def make_config(**options) -> UWNetConfig:
    return UWNetConfig(**{"in_channels": 1, "classes": 5, "width": 2, **options})


def make_network(config: UWNetConfig) -> UWNet:
    return UWNet(config, in_channels=config.patched_channels, classes=config.classes)


def parameters(*, in_channels: int, classes: int) -> int:
    with torch.device("meta"):
        network = UWNet(make_config(width=32), in_channels=in_channels, classes=classes)
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts():
    assert parameters(in_channels=3, classes=1) == 16_946_632
    assert parameters(in_channels=1, classes=5) == 16_946_196


def test_gate():
    torch.manual_seed(0)
    gate = TransposedGate(8, LAYERS)
    skip, signal = torch.randn(2, 8, 12, 20), torch.randn(2, 8, 6, 10)
    theta = functional.conv2d(skip, gate.theta.weight, gate.theta.bias, stride=2)
    one, three = gate.phi
    phi = functional.conv2d(signal, one.weight, one.bias)
    # A transposed convolution of stride 1 is one with the channels exchanged and the kernel turned.
    phi = functional.conv2d(phi, three.weight.transpose(0, 1).flip(2, 3), three.bias, padding=1)
    attention = torch.sigmoid(functional.conv2d(functional.relu(theta + phi), gate.psi.weight, gate.psi.bias))
    assert attention.shape == (2, 1, 6, 10)
    torch.testing.assert_close(gate.attention(skip, signal), attention)
    weighed = skip * attention.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    conv, norm = gate.output
    projected = functional.conv2d(weighed, conv.weight, conv.bias)
    expected = functional.batch_norm(projected, None, None, norm.weight, norm.bias, training=True)
    torch.testing.assert_close(gate(skip, signal), expected)


def test_gates_lie_between_0_and_1():
    attention = TransposedGate(4, LAYERS).attention(torch.randn(2, 4, 8, 8), torch.randn(2, 4, 4, 4))
    assert ((attention > 0) & (attention < 1)).all()
    assert attention.std() > 0


def test_rise_joins_the_feature_below_and_the_gated_skip():
    rise = GatedRise(8, 4, LAYERS).eval()
    below, skip = torch.randn(2, 8, 3, 5), torch.randn(2, 4, 6, 10)
    gated = rise.gate(skip, rise.signal(below))
    repeated = below.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(rise(below, skip), rise.block(torch.cat([repeated, gated], dim=1)))


def test_the_middle_is_a_w():
    torch.manual_seed(0)
    network = make_network(make_config())
    levels = [torch.rand(2, 1, 32, 48)]
    for index, block in enumerate(network.encoder):
        levels.append(block(functional.max_pool2d(levels[-1], 2) if index else levels[-1]))
    images, conv_128, conv_64, conv_32, conv_16, conv_8 = levels
    assert [tuple(level.shape[1:]) for level in (conv_128, conv_16, conv_8)] == [(2, 32, 48), (16, 4, 6), (32, 2, 3)]
    risen = network.first_rise(conv_8, conv_16)
    halved = functional.conv2d(risen, network.descent[0].weight, network.descent[0].bias, stride=2, padding=1)
    features = network.descent[2](functional.relu(halved))
    assert features.shape == conv_8.shape
    for rise, skip in zip(network.rises, (risen, conv_32, conv_64, conv_128), strict=True):
        features = rise(features, skip)
    torch.testing.assert_close(network(images), network.head(features))


def test_only_batch_normalization_normalizes_the_logits():
    assert isinstance(make_network(make_config()).head[1], nn.BatchNorm2d)
    others = [GroupNorm(groups=2), InstanceNorm(), LayerNorm2d(), NoNorm()]
    assert {type(make_network(make_config(norm=norm)).head[1]) for norm in others} == {nn.Identity}
