"""ASPP, parallel dilated convolutions and channel attention against their formulas."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.bottlenecks import AtrousPyramid, make_parallel_dilated
from models.context import make_global_context, make_squeeze_excitation
from models.layers import Layers
from spaces.networks import BatchNorm, NoNorm, ParallelDilated

LAYERS = Layers(norm=BatchNorm(), activation="leaky_relu", dropout_rate=0.0)


def conv_norm_act(features, triple, rate=1):
    conv, norm = triple[0], triple[1]
    features = functional.conv2d(
        features, conv.weight, conv.bias, padding=rate * (conv.kernel_size[0] // 2), dilation=rate
    )
    return functional.leaky_relu(functional.batch_norm(features, None, None, norm.weight, norm.bias, training=True))


def test_aspp():
    pyramid = AtrousPyramid(8, 6, 10, (1, 2, 4), LAYERS)
    features = torch.randn(3, 8, 5, 9)
    point, *atrous = pyramid.branches
    branches = [conv_norm_act(features, point)]
    branches += [conv_norm_act(features, branch, rate) for branch, rate in zip(atrous, (1, 2, 4), strict=True)]
    conv, norm = pyramid.pool[1], pyramid.pool[2].norm
    pooled = functional.conv2d(features.mean((2, 3), keepdim=True), conv.weight)
    pooled = functional.batch_norm(pooled, None, None, norm.weight, norm.bias, training=True)
    pooled = functional.interpolate(functional.leaky_relu(pooled), size=(5, 9), mode="bilinear")
    expected = conv_norm_act(torch.cat([*branches, pooled], dim=1), pyramid.project)
    assert expected.shape == (3, 10, 5, 9)
    torch.testing.assert_close(pyramid(features), expected)


def test_aspp_trains_on_a_batch_of_one():
    pyramid = AtrousPyramid(8, 6, 8, (1, 2), LAYERS)
    pyramid(torch.randn(1, 8, 4, 8)).sum().backward()
    assert all(parameter.grad is not None for parameter in pyramid.parameters())


@pytest.mark.parametrize("normalized", [False, True])
def test_parallel_dilated_add(normalized):
    module = make_parallel_dilated(4, ParallelDilated(rates=(1, 2, 4), normalized=normalized), LAYERS)
    features = torch.randn(2, 4, 6, 6)
    total = torch.zeros_like(features)
    for (conv, *rest), rate in zip(module.branches, (1, 2, 4), strict=True):
        branch = functional.conv2d(features, conv.weight, conv.bias, padding=rate, dilation=rate)
        if normalized:
            branch = functional.batch_norm(branch, None, None, rest[0].weight, rest[0].bias, training=True)
        total = total + branch
    torch.testing.assert_close(module(features), functional.leaky_relu(total))


@pytest.mark.parametrize("normalized", [False, True])
def test_parallel_dilated_concat(normalized):
    module = make_parallel_dilated(4, ParallelDilated(rates=(1, 2), fusion="concat", normalized=normalized), LAYERS)
    features = torch.randn(2, 4, 6, 6)
    branches = []
    for (conv, *rest), rate in zip(module.branches, (1, 2), strict=True):
        branch = functional.conv2d(features, conv.weight, conv.bias, padding=rate, dilation=rate)
        if normalized:
            branch = functional.batch_norm(branch, None, None, rest[0].weight, rest[0].bias, training=True)
        branches.append(functional.leaky_relu(branch))
    expected = functional.conv2d(torch.cat(branches, dim=1), module.project.weight, module.project.bias)
    torch.testing.assert_close(module(features), expected)


@pytest.mark.parametrize("fusion", ["add", "concat"])
def test_parallel_dilated_without_norm(fusion):
    layers = Layers(norm=NoNorm(), activation="relu", dropout_rate=0.1)
    dilated = ParallelDilated(rates=(1, 8), fusion=fusion, normalized=True)
    assert make_parallel_dilated(4, dilated, layers)(torch.randn(1, 4, 2, 3)).shape == (1, 4, 2, 3)


def test_gc_starts_as_the_identity():
    features = torch.randn(2, 64, 4, 8)
    torch.testing.assert_close(make_global_context("gc", 64)(features), features, rtol=0, atol=0)


def test_gc_equals_gcnet():
    block = make_global_context("gc", 64)
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    features = torch.randn(2, 64, 4, 8)
    attention = functional.conv2d(features, block.conv_attn.weight, block.conv_attn.bias).flatten(2).softmax(dim=2)
    context = (features.flatten(2) * attention).sum(dim=2)
    mlp = block.mlp_add
    hidden = functional.linear(context, mlp.fc1.weight.flatten(1), mlp.fc1.bias)
    hidden = functional.relu(functional.layer_norm(hidden, (4,), mlp.norm.weight, mlp.norm.bias, eps=1e-5))
    change = functional.linear(hidden, mlp.fc2.weight.flatten(1), mlp.fc2.bias)
    torch.testing.assert_close(block(features), features + change[..., None, None], rtol=1e-5, atol=1e-5)


def test_avg_mul_scales_channels():
    features = torch.rand(2, 64, 4, 8) + 1
    scale = make_global_context("avg_mul", 64)(features) / features
    torch.testing.assert_close(scale, scale[..., :1, :1].expand_as(scale))
    assert ((scale > 0) & (scale < 1)).all()


def test_squeeze_excitation():
    module = make_squeeze_excitation(32)
    features = torch.randn(2, 32, 4, 8)
    hidden = functional.conv2d(features.mean((2, 3), keepdim=True), module.fc1.weight, module.fc1.bias).relu()
    scale = torch.sigmoid(functional.conv2d(hidden, module.fc2.weight, module.fc2.bias))
    torch.testing.assert_close(module(features), features * scale)
