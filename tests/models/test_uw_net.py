"""Attention UW-Net against a literal reading of its definition."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.frame import Framed
from models.layers import Layers
from models.uw_net import GatedRise, TransposedGate, UWNet
from spaces.networks import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm2d,
    NoNorm,
    UWNetConfig,
    WeightStandardization,
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


VARIANTS = {
    "plain": make_config(),
    "wide_range": make_config(in_channels=12, classes=20, dropout=0.1, activation="leaky_relu"),
    "group": make_config(norm=GroupNorm(groups=2), activation="mish", patch=2, width=4),
    "instance": make_config(norm=InstanceNorm()),
    "layer": make_config(norm=LayerNorm2d(), classes=2, width=1),
    "no_norm": make_config(norm=NoNorm()),
    "standardized": make_config(norm=WeightStandardization(), activation="silu"),
}
variants = pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())


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
    assert {type(make_network(VARIANTS[name]).head[1]) for name in ("group", "instance", "layer", "no_norm")} == {
        nn.Identity
    }


@variants
@pytest.mark.parametrize(("height", "width"), [(16, 32), (48, 16)])
def test_any_multiple_of_the_stride_and_a_batch_of_one_in_evaluation(config, height, width):
    with torch.no_grad():
        logits = make_network(config).eval()(torch.rand(1, config.patched_channels, height, width))
    assert logits.shape == (1, config.classes, height, width)
    assert logits.isfinite().all()


@variants
def test_every_weight_trains_in_bfloat16_and_channels_last(config):
    torch.manual_seed(0)
    network = make_network(config).to(memory_format=torch.channels_last)
    images = torch.rand(2, config.patched_channels, 16, 32).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    assert logits.dtype == torch.bfloat16
    logits.float().square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("norm", [BatchNorm(), GroupNorm(), WeightStandardization()])
def test_gradients_reach_every_weight(norm):
    torch.manual_seed(0)
    network = make_network(make_config(width=4, norm=norm))
    functional.cross_entropy(network(torch.rand(4, 1, 32, 32)), torch.randint(5, (4, 32, 32))).backward()
    assert [name for name, p in network.named_parameters() if p.ndim > 1 and not p.grad.abs().max() > 0] == []


def test_frame_takes_any_size():
    network = make_network(make_config())
    assert network.stride == 16
    assert Framed(network, make_config())(torch.rand(2, 1, 5, 21)).shape == (2, 5, 5, 21)


def test_same_seed_same_weights_and_output():
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        outputs.append(make_network(make_config(dropout=0.2))(torch.rand(2, 1, 16, 32)))
    assert torch.equal(*outputs)


def test_exports():
    network, images = make_network(make_config()).eval(), torch.rand(1, 1, 16, 32)
    torch.testing.assert_close(torch.export.export(network, (images,)).module()(images), network(images))
