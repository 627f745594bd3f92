"""Parameters and multiply-adds, by hand and against the built network."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from models.build import build_model
from models.cost import Cost, measure_cost
from spaces.networks import GlobalAttention, UNetConfig, WindowAttention


def test_by_hand():
    config = UNetConfig(in_channels=1, classes=3, depth=2, width=4, convs=1)
    pixels = 16 * 32
    macs = (
        9 * 1 * 4 * pixels  # encoder
        + 9 * 4 * 8 * pixels // 4  # bottleneck
        + 4 * 8 * 4 * pixels // 4  # transposed convolution: each input position touches 2 x 2 outputs
        + 9 * 8 * 4 * pixels  # decoder
        + 4 * 3 * pixels  # head
    )
    parameters = (9 + 1 + 2) * 4 + (9 * 4 + 1 + 2) * 8 + (4 * 8 + 1) * 4 + (9 * 8 + 1 + 2) * 4 + (4 + 1) * 3
    assert measure_cost(config, 16, 32) == Cost(parameters=parameters, macs=macs)


def test_global_attention_by_hand():
    plain = UNetConfig(in_channels=1, classes=3, depth=3, width=4)
    attentive = plain.model_copy(update={"bottleneck": GlobalAttention(blocks=2, mlp_ratio=2)})
    tokens, channels = 4 * 8, 16
    block = tokens * channels**2 * (4 + 2 * 2) + 2 * tokens**2 * channels
    assert measure_cost(attentive, 16, 32).macs - measure_cost(plain, 16, 32).macs == 2 * block


@pytest.mark.parametrize("bottleneck", [GlobalAttention(), WindowAttention(window=4)])
def test_equals_the_built_network(bottleneck):
    config = UNetConfig(
        in_channels=3, classes=4, depth=3, width=4, bottleneck=bottleneck, context="gc", deep_supervision=0.2
    )
    model = build_model(config).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.rand(1, 3, 30, 44))
    cost = measure_cost(config, 30, 44)
    assert cost.macs == counter.get_total_flops() // 2
    assert cost.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_grows_with_the_image():
    config = UNetConfig(in_channels=1, classes=2)
    assert measure_cost(config, 64, 128).macs == 4 * measure_cost(config, 32, 64).macs
    assert measure_cost(config, 64, 128).parameters == measure_cost(config, 32, 64).parameters


def test_leaves_the_random_state_alone():
    torch.manual_seed(0)
    measure_cost(UNetConfig(in_channels=1, classes=2, bottleneck=WindowAttention()), 32, 32)
    drawn = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(3))
