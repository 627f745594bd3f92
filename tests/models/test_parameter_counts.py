"""Parameter counts of the literature and of the reports' own networks, counted without building weights."""

import pytest
import torch
from torch import nn

from models.bottlenecks import AtrousPyramid
from models.context import make_global_context, make_squeeze_excitation
from models.cost import measure_cost
from models.layers import Layers
from spaces.networks import AdditiveGate, BatchNorm, GroupNorm, InstanceNorm, NoNorm, OktayGridGate, UNetConfig


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def parameters(**options) -> int:
    return measure_cost(UNetConfig(**{"in_channels": 1, "classes": 5, **options}), 32, 32).parameters


U_NETS = {
    (64, 5): {"tconv2": 31_042_629, "tconv3": 34_524_229, "upconv3": 34_526_149, "upcat": 31_389_829},
    (32, 5): {"tconv2": 7_765_541, "tconv3": 8_635_941, "upconv3": 8_636_901, "upcat": 7_852_101},
    (16, 5): {"tconv2": 1_943_829, "tconv3": 2_161_429, "upconv3": 2_161_909, "upcat": 1_965_349},
    (32, 4): {"tconv2": 1_927_973, "tconv3": 2_143_013, "upconv3": 2_143_461, "upcat": 1_949_253},
}


@pytest.mark.parametrize(("width", "depth"), U_NETS)
@pytest.mark.parametrize("upsampling", ["tconv2", "tconv3", "upconv3", "upcat"])
def test_u_net(width, depth, upsampling):
    assert parameters(width=width, depth=depth, upsampling=upsampling) == U_NETS[width, depth][upsampling]


@pytest.mark.parametrize("norm", [GroupNorm(), InstanceNorm()])
def test_affine_norms_count_alike(norm):
    assert parameters(width=16, depth=5, norm=norm) == U_NETS[16, 5]["tconv2"]


def test_original_u_net_has_no_norm():
    assert parameters(width=64, depth=5, norm=NoNorm()) == 31_030_853
    assert parameters(width=64, depth=5, norm=NoNorm(), classes=2) == 31_030_658


@pytest.mark.parametrize(("width", "expected"), [(64, 34_877_681), (32, 8_725_633)])
def test_attention_u_net(width, expected):
    assert parameters(width=width, depth=5, upsampling="upconv3", gate=AdditiveGate()) == expected


def test_grid_gates_count_by_hand():
    plain = parameters(width=4, depth=4)
    gated = parameters(width=4, depth=4, gate=OktayGridGate(ratio=0.5))
    signal = 32 * 16 + 16 + 2 * 16
    gates = sum(
        4 * c * (c // 2)  # theta, 2x2, no bias
        + (16 + 1) * (c // 2)  # phi
        + (c // 2 + 1)  # psi
        + (c + 1) * c  # output
        + 2 * c  # its norm
        for c in (8, 16)
    )
    assert gated - plain == signal + gates


def test_resunet_with_parameter_free_upsampling():
    assert parameters(width=64, depth=4, upsampling="upcat", residual="pre_act") == 8_219_973


@pytest.mark.parametrize(("in_channels", "expected"), [(512, 4_131_840), (256, 2_231_296)])
def test_aspp(in_channels, expected):
    layers = Layers(norm=BatchNorm(), activation="relu", dropout_rate=0.5)
    with torch.device("meta"):
        assert count(AtrousPyramid(in_channels, 256, 256, (6, 12, 18), layers)) == expected


def test_global_context():
    assert count(make_global_context("gc", 64)) == 653


@pytest.mark.parametrize("channels", [16, 32, 64, 256])
def test_squeeze_excitation_has_reduction_16(channels):
    squeezed = channels // 16
    assert count(make_squeeze_excitation(channels)) == (channels + 1) * squeezed + (squeezed + 1) * channels


def test_deep_supervision_adds_one_head_a_coarser_level():
    extra = parameters(width=16, depth=4, deep_supervision=0.3) - parameters(width=16, depth=4)
    assert extra == (32 + 1) * 5 + (64 + 1) * 5


def test_input_norm_is_affine_batch_norm():
    assert parameters(input_norm=True, in_channels=3) - parameters(in_channels=3) == 2 * 3
