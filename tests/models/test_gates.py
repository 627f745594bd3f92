"""Attention gates against a literal reading of their definitions."""

import pytest
import torch
from torch.nn import functional

from models.gates import AdditiveGate, GridGate, GridGates, inner_channels
from models.layers import Layers
from spaces.networks import BatchNorm, LayerNorm2d

LAYERS = Layers(norm=BatchNorm(), activation="silu", dropout_rate=0.0)


def conv(features, module):
    return functional.conv2d(features, module.weight, module.bias, stride=module.stride)


def conv_norm(features, pair):
    norm = pair[1]
    return functional.batch_norm(conv(features, pair[0]), None, None, norm.weight, norm.bias, training=True)


def bilinear(features, height, width):
    return functional.interpolate(features, size=(height, width), mode="bilinear", align_corners=False)


def test_additive_gate():
    gate = AdditiveGate(12, 8, 0.5, LAYERS)
    gating, skip = torch.randn(3, 12, 6, 10), torch.randn(3, 8, 6, 10)
    joint = functional.relu(conv_norm(gating, gate.from_gating) + conv_norm(skip, gate.from_skip))
    assert joint.shape[1] == 4
    torch.testing.assert_close(gate(gating, skip), skip * torch.sigmoid(conv_norm(joint, gate.attention)))


def test_grid_gate():
    gate = GridGate(16, 8, 0.5, LAYERS)
    skip, gating = torch.randn(2, 8, 16, 24), torch.randn(2, 16, 2, 3)
    theta = functional.conv2d(skip, gate.theta.weight, stride=2)
    joint = functional.relu(theta + bilinear(conv(gating, gate.phi), 8, 12))
    attention = bilinear(torch.sigmoid(conv(joint, gate.psi)), 16, 24)
    assert gate.theta.bias is None
    assert theta.shape == (2, 4, 8, 12)
    torch.testing.assert_close(gate(skip, gating), conv_norm(attention * skip, gate.output))


def test_grid_gates_share_one_signal_and_spare_the_finest_skip():
    gates = GridGates(32, [4, 8, 16], 1.0, LAYERS)
    skips = [torch.randn(2, 4 * 2**i, 16 // 2**i, 16 // 2**i) for i in range(3)]
    bottleneck = torch.randn(2, 32, 2, 2)
    signal = functional.relu(conv_norm(bottleneck, gates.signal[0]))
    assert signal.shape[1] == 16
    gated = gates(skips, bottleneck)
    assert gated[0] is skips[0]
    for gate, skip, result in zip(gates.gates, skips[1:], gated[1:], strict=True):
        torch.testing.assert_close(result, gate(skip, signal))


@pytest.mark.parametrize(("channels", "ratio", "expected"), [(64, 0.25, 16), (64, 1.0, 64), (3, 0.5, 2), (8, 0.0, 1)])
def test_inner_channels(channels, ratio, expected):
    assert inner_channels(channels, ratio) == expected


def test_layer_norm_does_not_switch_the_additive_gate_off():
    gate = AdditiveGate(8, 8, 0.5, Layers(norm=LayerNorm2d(), activation="relu", dropout_rate=0.0))
    gate(torch.randn(2, 8, 6, 6), torch.randn(2, 8, 6, 6)).square().sum().backward()
    assert gate.from_gating[0].weight.grad.abs().max() > 0
