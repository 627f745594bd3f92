"""Multi-branch fusion: each merge and each attention against its definition, then all of them joined."""

from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.fusion import (
    AddMerge,
    BranchJoin,
    ChannelAttention,
    ConcatMerge,
    GatedMerge,
    SpatialAttention,
    make_branch_attention,
    make_separable_conv,
)
from models.layers import Layers
from models.upsampling import resize
from spaces.networks import BatchNorm, BranchFusion, GroupNorm, InstanceNorm, LayerNorm2d, NoNorm, WeightStandardization

LAYERS = Layers(norm=BatchNorm(), activation="relu", dropout_rate=0.0)
MERGES, ATTENTIONS = ("concat", "add", "gated"), ("none", "se", "cbam", "spatial")
NORMS = [BatchNorm(), GroupNorm(), InstanceNorm(), LayerNorm2d(), WeightStandardization(), NoNorm()]
CHANNELS = (3, 6, 2)

options = pytest.mark.parametrize(("merge", "attention"), list(product(MERGES, ATTENTIONS)))


def make_branches(batch: int = 2) -> list[torch.Tensor]:
    """Of the output's size, coarser, finer."""
    return [torch.randn(batch, c, *size) for c, size in zip(CHANNELS, [(8, 12), (4, 6), (16, 24)], strict=True)]


def make_join(merge, attention, *, channels: int = 32, layers: Layers = LAYERS) -> BranchJoin:
    return BranchJoin(CHANNELS, channels, BranchFusion(merge=merge, attention=attention), layers)


def conv(features, module, **arguments):
    return functional.conv2d(features, module.weight, module.bias, **arguments)


def test_concat_merge():
    merge, (a, b) = ConcatMerge(2, 4, LAYERS), torch.randn(2, 3, 4, 5, 6)
    torch.testing.assert_close(merge([a, b]), conv(torch.cat([a, b], dim=1), merge.project))
    assert merge.project.weight.shape == (4, 8, 1, 1)


def test_add_merge():
    a, b, c = torch.randn(3, 2, 4, 5, 6)
    torch.testing.assert_close(AddMerge()([a, b, c]), a + b + c)


def test_gated_merge_weighs_branches_image_by_image():
    torch.manual_seed(0)
    merge, branches = GatedMerge(3, 4), list(torch.randn(3, 2, 4, 5, 6) * 3)
    weights = merge.weights(branches)
    assert weights.shape == (2, 3)
    assert ((weights > 0) & (weights < 1)).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    for image in range(2):
        means = torch.cat([branch[image].mean((1, 2)) for branch in branches])
        expected = torch.softmax(merge.score.weight @ means + merge.score.bias, dim=0)
        torch.testing.assert_close(weights[image], expected)
        total = sum(weight * branch[image] for weight, branch in zip(expected, branches, strict=True))
        torch.testing.assert_close(merge(branches)[image], total)


def test_channel_attention_shares_its_perceptron():
    attention, features = ChannelAttention(96), torch.randn(2, 96, 5, 7)
    first, _, last = attention.perceptron
    assert first.weight.shape == (6, 96, 1, 1)

    def perceptron(pooled):
        return conv(functional.relu(conv(pooled, first)), last)

    mean, peak = features.mean((2, 3), keepdim=True), functional.adaptive_max_pool2d(features, 1)
    expected = torch.sigmoid(perceptron(mean) + perceptron(peak))
    torch.testing.assert_close(attention.gates(features), expected)
    torch.testing.assert_close(attention(features), features * expected)


def test_channel_attention_has_four_hidden_units_at_least():
    assert ChannelAttention(8).perceptron[0].out_channels == 4


def test_spatial_attention_sees_mean_and_maximum_of_each_position():
    attention, features = SpatialAttention(), torch.randn(2, 6, 9, 10)
    summary = torch.stack([features.mean(1), features.max(1).values], dim=1)
    expected = torch.sigmoid(conv(summary, attention.conv, padding=3))
    assert expected.shape == (2, 1, 9, 10)
    torch.testing.assert_close(attention.gates(features), expected)
    torch.testing.assert_close(attention(features), features * expected)


@pytest.mark.parametrize("attention", [ChannelAttention(8), SpatialAttention()])
def test_gates_lie_between_0_and_1(attention):
    gates = attention.gates(torch.randn(2, 8, 6, 6))
    assert ((gates > 0) & (gates < 1)).all()
    assert gates.std() > 0


def test_cbam_attends_to_channels_first():
    assert [type(part) for part in make_branch_attention("cbam", 8)] == [ChannelAttention, SpatialAttention]


def test_separable_convolution():
    depthwise, pointwise, norm, act = make_separable_conv(64, LAYERS)
    assert depthwise.weight.shape == (64, 1, 3, 3)
    assert pointwise.weight.shape == (64, 64, 1, 1)
    assert [type(norm), type(act)] == [nn.BatchNorm2d, nn.ReLU]
    assert 0.8 < depthwise(torch.randn(4, 64, 32, 32)).std() < 1.2


def test_resizes_to_the_first_branch_only_where_sizes_differ():
    like, features = torch.randn(1, 1, 4, 6), torch.randn(1, 3, 8, 12)
    torch.testing.assert_close(resize(features, like.shape[-2:]), functional.avg_pool2d(features, 2))
    assert resize(features, features.shape[-2:]) is features
    coarse = torch.tensor([[0.0, 1.0, 2.0]]).expand(1, 1, 2, 3)
    assert resize(coarse, like.shape[-2:])[0, 0, 0].tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2]


def test_branches_are_aligned_resized_merged_attended_and_convolved():
    torch.manual_seed(0)
    join, branches = make_join("add", "spatial").eval(), make_branches()
    aligned = [align(branch) for align, branch in zip(join.alignments, branches, strict=True)]
    total = aligned[0] + sum(
        functional.interpolate(branch, size=(8, 12), mode="bilinear", align_corners=False) for branch in aligned[1:]
    )
    torch.testing.assert_close(join(branches), join.output(total * join.attention.gates(total)))


def test_parameters_count_by_hand():
    def count(merge, attention):
        return sum(parameter.numel() for parameter in make_join(merge, attention).parameters())

    base = sum(32 * c + 32 + 64 for c in CHANNELS) + 32 * 9 + 32 * 33 + 64
    assert count("add", "none") == base
    assert count("concat", "none") == base + 32 * (96 + 1)
    assert count("gated", "none") == base + 3 * (96 + 1)
    assert count("add", "se") == base + 2 * 33 + 32 * 3
    assert count("add", "spatial") == base + 2 * 49 + 1
    assert count("add", "cbam") == base + 2 * 49 + 1 + 4 * 33 + 32 * 5


@options
def test_every_branch_and_every_weight_matters(merge, attention):
    torch.manual_seed(0)
    # With fewer channels, squeeze-and-excitation has two hidden units, which a start may leave dead.
    join = make_join(merge, attention, channels=64)
    branches = [branch.requires_grad_() for branch in make_branches(batch=4)]
    (join(branches) * torch.randn(4, 64, 8, 12)).sum().backward()
    assert all(branch.grad.abs().max() > 0 for branch in branches)
    assert [name for name, p in join.named_parameters() if p.ndim > 1 and not p.grad.abs().max() > 0] == []


@options
@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.kind)
def test_every_option_trains_in_bfloat16_and_channels_last(merge, attention, norm):
    layers = Layers(norm=norm, activation="silu", dropout_rate=0.0)
    join = make_join(merge, attention, channels=6, layers=layers).to(memory_format=torch.channels_last)
    branches = [branch.contiguous(memory_format=torch.channels_last) for branch in make_branches()]
    with torch.autocast("cpu", torch.bfloat16):
        joined = join(branches)
    assert joined.shape == (2, 6, 8, 12)
    joined.float().square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in join.parameters())


@options
def test_one_channel_and_a_batch_of_one_in_evaluation(merge, attention):
    with torch.no_grad():
        joined = make_join(merge, attention, channels=1).eval()(make_branches(batch=1))
    assert joined.shape == (1, 1, 8, 12)
    assert joined.isfinite().all()


@options
def test_costs_nothing_on_the_meta_device(merge, attention):
    with torch.device("meta"):
        joined = make_join(merge, attention)(make_branches())
    assert joined.shape == (2, 32, 8, 12)
    assert joined.is_meta
