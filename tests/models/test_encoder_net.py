"""Networks on an encoder of timm: parameter counts, sizes, decoders, many encoders, training."""

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from models.encoder_net import EncoderNet
from models.timm_encoders import encoder_features
from spaces.networks import (
    BatchNorm,
    EncoderNetConfig,
    FPNDecoder,
    GroupNorm,
    UNetDecoder,
    UNetPlusPlusDecoder,
)


def make(**options) -> EncoderNet:
    torch.manual_seed(0)
    defaults = {"in_channels": 2, "classes": 5, "encoder": "resnet10t", "decoder": UNetDecoder(width=4)}
    config = EncoderNetConfig(**{**defaults, **options})
    return EncoderNet(config, in_channels=config.patched_channels, classes=config.classes)


DECODERS = (UNetDecoder(width=4), UNetPlusPlusDecoder(width=4), FPNDecoder(width=32))
decoders = pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.kind)


@pytest.mark.parametrize(
    ("encoder", "levels", "decoder", "expected"),
    [
        ("resnet18", 5, UNetDecoder(width=16), 14_322_517),
        ("resnet34", 5, UNetDecoder(width=16), 24_430_677),
        ("convnext_atto", 4, UNetDecoder(width=32), 3_264_477),
        ("resnet18", 5, UNetPlusPlusDecoder(width=16), 15_964_757),
    ],
)
def test_parameters(encoder, levels, decoder, expected):
    with torch.device("meta"):
        network = make(encoder=encoder, levels=levels, decoder=decoder, in_channels=1)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


@decoders
@pytest.mark.parametrize("levels", [3, 4, 5])
def test_sizes_in_evaluation(decoder, levels):
    network = make(levels=levels, decoder=decoder).eval()
    assert network.stride == 2**levels
    with torch.no_grad():
        for height, width in [(64, 128), (96, 96), (network.stride, 2 * network.stride)]:
            assert network(torch.rand(1, 2, height, width)).shape == (1, 5, height, width)


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        ("mobilenetv3_small_050", DECODERS[0]),
        ("convnext_atto", DECODERS[0]),
        ("convnext_atto", DECODERS[1]),
        ("efficientnet_lite0", DECODERS[1]),
        ("regnety_002", DECODERS[2]),
        ("repvgg_a0", DECODERS[0]),
        ("mambaout_femto", DECODERS[0]),
    ],
)
def test_every_weight_of_every_encoder_trains(encoder, decoder):
    network = make(encoder=encoder, levels=4, decoder=decoder)
    logits = network(torch.rand(2, 2, 16, 32))
    assert logits.shape == (2, 5, 16, 32)
    logits.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@decoders
def test_group_norm_replaces_every_batch_norm(decoder):
    network = make(levels=3, decoder=decoder, norm=GroupNorm(groups=4))
    assert not any(isinstance(module, _BatchNorm) for module in network.modules())
    assert any(isinstance(module, nn.GroupNorm) and module.num_groups == 4 for module in network.modules())
    network(torch.rand(1, 2, 8, 16)).square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_batch_norm_is_the_default():
    assert any(isinstance(module, nn.BatchNorm2d) for module in make(norm=BatchNorm()).modules())


def test_stages_behind_the_last_feature_are_left_out():
    with torch.device("meta"):
        sizes = [len(make(encoder="mobilenetv3_small_050", levels=n).network.encoder.model.blocks) for n in (3, 4)]
    assert sizes[0] < sizes[1]


def test_trying_an_encoder_is_not_counted_as_operations():
    encoder_features.cache_clear()
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        make()
    assert counter.get_total_flops() == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "resnet81"}, r"got 'resnet81': did you mean resnet18 or"),
        ({"encoder": "halonet26t"}, r"gives feature maps of images of any size; 'halonet26t' does not"),
        ({"encoder": "hrnet_w18_small"}, r"'hrnet_w18_small' does not .*exchange features of all strides"),
        ({"encoder": "convmixer_1024_20_ks9_p14"}, r"'convmixer_1024_20_ks9_p14' .*take another one"),
        ({"decoder": FPNDecoder(width=40)}, r"multiple of 32, .*; got 40: take 64"),
        (
            {"encoder": "convnext_atto", "decoder": FPNDecoder(), "levels": 4},
            r"start at stride 4; got levels 4: take levels 5",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refusals(options, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        make(**options)


def test_feature_pyramid_of_convnext_at_five_levels():
    with torch.device("meta"):
        network = make(encoder="convnext_atto", decoder=FPNDecoder(), levels=5)
        assert network(torch.empty(2, 2, 64, 128)).shape == (2, 5, 64, 128)
