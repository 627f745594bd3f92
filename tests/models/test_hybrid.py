"""The hybrid of U-Net and DeepLab: sizes, skips, pyramid, training."""

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.bottlenecks import AtrousPyramid
from models.hybrid import Hybrid
from spaces.networks import BatchNorm, GroupNorm, HybridConfig


def make(**options) -> Hybrid:
    torch.manual_seed(0)
    defaults = {"in_channels": 2, "classes": 5, "encoder": "resnet10t", "width": 8, "decoder_width": 4}
    config = HybridConfig(**{**defaults, **options})
    return Hybrid(config, in_channels=config.patched_channels, classes=config.classes)


places = pytest.mark.parametrize("pyramid_at", ["bottleneck", "decoder"])


@places
@pytest.mark.parametrize(("encoder", "output_stride"), [("resnet10t", 8), ("convnext_atto", 16)])
def test_sizes_in_evaluation(pyramid_at, output_stride, encoder):
    network = make(pyramid_at=pyramid_at, output_stride=output_stride, encoder=encoder).eval()
    seen = []
    network.encoder.register_forward_hook(lambda module, args, maps: seen.append(maps[-1].shape[-2:]))
    with torch.no_grad():
        for height, width in [(64, 128), (96, 96), (output_stride, 2 * output_stride)]:
            assert network(torch.rand(1, 2, height, width)).shape == (1, 5, height, width)
            assert seen[-1] == (height // output_stride, width // output_stride)


@places
@pytest.mark.parametrize("norm", [BatchNorm(), GroupNorm(groups=4)], ids=lambda norm: norm.kind)
@pytest.mark.parametrize("batch", [1, 2])
def test_training_step(pyramid_at, norm, batch):
    network = make(pyramid_at=pyramid_at, norm=norm)
    network(torch.rand(batch, 2, 16, 32)).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert any(isinstance(module, _BatchNorm) for module in network.modules()) == (norm == BatchNorm())


@pytest.mark.parametrize(
    ("encoder", "output_stride", "widths", "skips"),
    [
        ("resnet10t", 16, {"8": 32, "4": 16, "2": 8, "1": 4}, [2, 4, 8]),
        ("resnet10t", 8, {"4": 16, "2": 8, "1": 4}, [2, 4]),
        ("convnext_atto", 16, {"8": 32, "4": 16, "2": 8, "1": 4}, [4, 8]),
    ],
)
def test_levels_and_skips(encoder, output_stride, widths, skips):
    with torch.device("meta"):
        decoder = make(encoder=encoder, output_stride=output_stride).decoder
    assert decoder.skip_strides == skips
    assert {stride: level[-1][0].out_channels for stride, level in decoder.levels.items()} == widths


def test_every_skip_reaches_the_logits():
    network = make().eval()
    images = torch.rand(1, 2, 32, 32)
    with torch.no_grad():
        *skips, deepest = network.encoder(images)
        bottleneck = network.bottleneck(deepest)
        whole = network.decoder(bottleneck, skips)
        for left_out in range(len(skips)):
            fewer = [torch.zeros_like(skip) if i == left_out else skip for i, skip in enumerate(skips)]
            assert not torch.allclose(network.decoder(bottleneck, fewer), whole)


@pytest.mark.parametrize(("pyramid_at", "channels"), [("bottleneck", 512), ("decoder", 4)])
def test_rates_and_dropout_reach_the_pyramid(pyramid_at, channels):
    with torch.device("meta"):
        network = make(pyramid_at=pyramid_at, rates=(2, 3), dropout=0.25)
    (pyramid,) = [module for module in network.modules() if isinstance(module, AtrousPyramid)]
    convs = [branch[0] for branch in pyramid.branches]
    assert [conv.dilation for conv in convs] == [(1, 1), (2, 2), (3, 3)]
    assert {conv.in_channels for conv in convs} == {channels}
    assert [module.p for module in network.modules() if isinstance(module, nn.Dropout2d)] == [0.25]


def test_refuses_an_encoder_that_cannot_be_dilated():
    with torch.device("meta"), pytest.raises(ValueError, match="'densenet121' dilated to stride 16 does not"):
        make(encoder="densenet121")
