"""Normalizations, convolutions and blocks."""

import math

import pytest
import torch
from timm.layers import ScaledStdConv2d
from torch import nn
from torch.nn import functional

from models.blocks import conv_stack, make_block
from models.layers import ACTIVATION_GAIN, Layers, make_activation
from models.norms import PooledBatchNorm, make_conv, make_norm, make_pooled_norm
from spaces.networks import BatchNorm, GroupNorm, InstanceNorm, LayerNorm2d, NoNorm, WeightStandardization

NORMS = [BatchNorm(), GroupNorm(), InstanceNorm(), LayerNorm2d(), WeightStandardization(), NoNorm()]


def make_layers(norm=NORMS[0], activation="relu", dropout_rate=0.0) -> Layers:
    return Layers(norm=norm, activation=activation, dropout_rate=dropout_rate)


@pytest.mark.parametrize(("groups", "channels", "expected"), [(8, 32, 8), (8, 12, 4), (16, 24, 8), (8, 7, 1)])
def test_group_count_is_lowered_to_divide(groups, channels, expected):
    norm = make_norm(GroupNorm(groups=groups), channels)
    assert isinstance(norm, nn.GroupNorm)
    assert norm.num_groups == expected


def test_layer2d_normalizes_each_pixel_over_channels():
    features = torch.randn(2, 6, 3, 4)
    expected = functional.layer_norm(features.permute(0, 2, 3, 1), (6,), eps=1e-6).permute(0, 3, 1, 2)
    torch.testing.assert_close(make_norm(LayerNorm2d(), 6)(features), expected)


def test_layer2d_does_not_erase_a_single_channel():
    assert make_norm(LayerNorm2d(), 1)(torch.randn(2, 1, 3, 4)).std() > 0.5


@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.kind)
@pytest.mark.parametrize("batch", [1, 2])
def test_pooled_norm_trains_and_keeps_differences(norm, batch):
    pooled = torch.randn(batch, 8, 1, 1)
    assert make_pooled_norm(norm, 8)(pooled).std() > 0.1


def test_pooled_batch_norm_of_a_batch_of_one_uses_and_keeps_running_statistics():
    norm = PooledBatchNorm(4)
    norm(torch.randn(8, 4, 1, 1))
    mean, pooled = norm.norm.running_mean.clone(), torch.randn(1, 4, 1, 1)
    trained = norm(pooled)
    torch.testing.assert_close(norm.norm.running_mean, mean)
    torch.testing.assert_close(trained, norm.eval()(pooled))


def test_pooled_batch_norm_is_batch_norm_otherwise():
    pooled = torch.randn(8, 4, 1, 1)
    torch.testing.assert_close(PooledBatchNorm(4)(pooled), nn.BatchNorm2d(4)(pooled))


@pytest.mark.parametrize("activation", ACTIVATION_GAIN)
def test_activation_gain_restores_unit_variance(activation):
    z = torch.linspace(-10, 10, 200_001, dtype=torch.float64)
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    values = make_activation(activation)(z)
    mean = (values * density).sum()
    deviation = ((values - mean) ** 2 * density).sum().sqrt()
    assert ACTIVATION_GAIN[activation] == pytest.approx(1 / deviation.item(), abs=1e-4)


def test_weight_standardized_filters_have_no_mean_and_their_gain():
    conv = make_conv(WeightStandardization(), 16, 8, kernel=3, dilation=1, bias=True, gain=1.7)
    assert isinstance(conv, ScaledStdConv2d)
    nn.init.zeros_(conv.bias)
    impulses = torch.eye(16).reshape(16, 16, 1, 1)
    filters = conv(functional.pad(impulses, (1, 1, 1, 1)))  # (input channel, filter, 3, 3), flipped in space
    assert filters.sum(dim=(0, 2, 3)).abs().max() < 1e-4
    torch.testing.assert_close(filters.pow(2).sum(dim=(0, 2, 3)), torch.full((8,), 1.7**2), rtol=1e-3, atol=0)


def test_a_filter_of_one_weight_is_not_standardized():
    conv = make_conv(WeightStandardization(), 1, 4, kernel=1, dilation=1, bias=True, gain=1.7)
    assert conv(torch.randn(1, 1, 4, 4)).std() > 0


@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.kind)
def test_signals_neither_fade_nor_explode_in_a_deep_stack(norm):
    torch.manual_seed(0)
    stack = conv_stack(32, 32, 12, make_layers(norm))
    assert 0.2 < stack(torch.randn(2, 32, 12, 12)).std() < 3


def test_bias_goes_only_where_a_norm_replaces_it():
    assert make_layers(BatchNorm()).conv_norm_act(4, 4, bias=False)[0].bias is None
    assert make_layers(NoNorm()).conv_norm_act(4, 4, bias=False)[0].bias is not None
    assert make_layers(BatchNorm()).conv_norm_act(4, 4)[0].bias is not None


def test_post_add_block_by_hand():
    block = make_block("post_add", 3, 5, 2, make_layers()).train()
    features = torch.randn(2, 3, 6, 6)
    hidden = features
    for conv, norm, _ in block.convs:
        hidden = functional.conv2d(hidden, conv.weight, conv.bias, padding=1)
        hidden = functional.relu(functional.batch_norm(hidden, None, None, norm.weight, norm.bias, training=True))
    shortcut = functional.conv2d(features, block.shortcut.weight, block.shortcut.bias)
    torch.testing.assert_close(block(features), functional.relu(hidden + shortcut))


@pytest.mark.parametrize("stem", [True, False])
def test_pre_act_block_by_hand(stem):
    block = make_block("pre_act", 4, 4, 2, make_layers(), stem=stem).train()
    features = torch.randn(2, 4, 6, 6)
    hidden = features
    for index, unit in enumerate(block.units):
        if not (stem and index == 0):
            norm = unit[0]
            hidden = functional.batch_norm(hidden, None, None, norm.weight, norm.bias, training=True).relu()
        hidden = functional.conv2d(hidden, unit[-1].weight, unit[-1].bias, padding=1)
    torch.testing.assert_close(block(features), hidden + features)


@pytest.mark.parametrize("residual", ["none", "post_add", "pre_act"])
def test_dropout_takes_whole_channels_and_only_in_training(residual):
    torch.manual_seed(0)
    block = make_block(residual, 3, 64, 1, make_layers(norm=NoNorm(), activation="mish", dropout_rate=0.5))
    empty = (block(torch.randn(1, 3, 8, 8)) == 0).flatten(2)
    assert 0.2 < empty.all(2).float().mean() < 0.8
    assert torch.equal(empty.all(2), empty.any(2))
    assert not (block.eval()(torch.randn(1, 3, 8, 8)) == 0).any()
