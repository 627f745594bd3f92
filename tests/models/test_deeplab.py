"""DeepLab: parameter counts, sizes, dilation, normalization, training; and what it says of encoders it cannot take."""

import pytest
import torch
from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPPPooling
from timm.layers.norm_act import GroupNormAct
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.deeplab import DeepLab
from models.replace_norm import replace_batch_norm
from models.timm_encoders import TimmEncoder, encoder_features
from spaces.networks import BatchNorm, DeepLabConfig, GroupNorm


def make(**options) -> DeepLab:
    torch.manual_seed(0)
    config = DeepLabConfig(**{"in_channels": 2, "classes": 5, "encoder": "resnet10t", "width": 8, **options})
    return DeepLab(config, in_channels=config.patched_channels, classes=config.classes)


versions = pytest.mark.parametrize("version", ["v3", "v3plus"])


@pytest.mark.parametrize(("version", "expected"), [("v3plus", 26_672_341), ("v3", 39_628_485)])
def test_parameters_of_resnet50(version, expected):
    with torch.device("meta"):
        network = make(version=version, encoder="resnet50", in_channels=1, rates=(12, 24, 36), width=256)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


@versions
@pytest.mark.parametrize("output_stride", [8, 16])
def test_sizes_in_evaluation(version, output_stride):
    network = make(version=version, output_stride=output_stride).eval()
    seen = []
    network.network.encoder.register_forward_hook(lambda module, args, maps: seen.append(maps[-1].shape[-2:]))
    with torch.no_grad():
        for height, width in [(64, 128), (96, 96), (output_stride, 2 * output_stride)]:
            assert network(torch.rand(1, 2, height, width)).shape == (1, 5, height, width)
            assert seen[-1] == (height // output_stride, width // output_stride)


@versions
def test_rates_dropout_and_width_reach_the_pyramid(version):
    network = make(version=version, rates=(1, 3, 5), dropout=0.25)
    decoder = network.network.decoder
    dilations = {conv.dilation for conv in decoder.modules() if isinstance(conv, nn.Conv2d)}
    assert dilations == {(1, 1), (3, 3), (5, 5)}
    assert [layer.p for layer in decoder.modules() if isinstance(layer, nn.Dropout)] == [0.25]
    assert network.network.segmentation_head[0].in_channels == 8


@versions
@pytest.mark.parametrize("norm", [BatchNorm(), GroupNorm(groups=8)], ids=lambda norm: norm.kind)
@pytest.mark.parametrize("batch", [1, 2])
def test_training_step(version, norm, batch):
    network = make(version=version, norm=norm)
    logits = network(torch.rand(batch, 2, 16, 32))
    logits.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert any(isinstance(module, _BatchNorm) for module in network.modules()) == (norm == BatchNorm())


def test_group_norm_of_one_channel_groups_does_not_erase_the_pooled_branch():
    network = make(norm=GroupNorm(groups=8), width=8).eval()
    (pooling,) = [module for module in network.modules() if isinstance(module, ASPPPooling)]
    assert pooling(torch.randn(1, 512, 4, 8)).abs().max() > 0.1


def test_group_norm_keeps_what_batch_norm_carried():
    encoder = TimmEncoder("regnety_002", list(encoder_features("regnety_002")), in_channels=1)
    stem = encoder.encoder.stem.bn
    replace_batch_norm(encoder, GroupNorm(groups=7))
    new = encoder.encoder.stem.bn
    assert isinstance(new, GroupNormAct)
    assert new.num_groups == 1  # gcd(7, 32)
    assert new.weight is stem.weight
    assert new.act is stem.act
    assert (new(torch.randn(1, 32, 4, 4)) >= 0).all()


@pytest.mark.parametrize("encoder", ["skresnet18", "resnest14d"])
def test_encoders_that_normalize_pooled_maps_train_on_one_image(encoder):
    assert make(encoder=encoder)(torch.rand(1, 2, 16, 32)).isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "resnet81"}, r"an encoder is a model of timm.* got 'resnet81': did you mean resnet18 or"),
        ({"encoder": "resnet18.a1_in1k"}, r"without the tag of its weights; .*did you mean resnet18 or"),
        ({"encoder": "zzzzqq"}, r"timm.list_models\(\) lists them"),
        ({"encoder": "swin_tiny_patch4_window7_224"}, r"made for one fixed size: take a convolutional one"),
        ({"encoder": "ghostnet_050"}, r"'ghostnet_050' dilated to stride 16 does not .*dilation not supported"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refusals(options, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        make(**options)
