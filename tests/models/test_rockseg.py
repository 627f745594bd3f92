"""The stand-in for RockSeg: sizes, parts by hand, training."""

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.rockseg import RockSegLike
from models.timm_encoders import TimmEncoder, encoder_features
from spaces.networks import BatchNorm, GroupNorm, RockSegLikeConfig


def make(**options) -> RockSegLike:
    torch.manual_seed(0)
    defaults = {"in_channels": 2, "classes": 5, "encoder": "resnet10t", "width": 16, "fusion_width": 8}
    config = RockSegLikeConfig(**{**defaults, **options})
    return RockSegLike(config, in_channels=config.patched_channels, classes=config.classes)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_by_hand():
    with torch.device("meta"):
        network = make(encoder="resnet18", width=16, blocks=3, mlp_ratio=2, fusion_width=8)
        encoder = TimmEncoder("resnet18", list(encoder_features("resnet18")), in_channels=2)
        stage_4 = count(encoder.encoder.layer4)
    block = 4 * 16**2 + 4 * 16 + 2 * 2 * 16**2 + 2 * 16 + 16 + 2 * 2 * 16  # attention, MLP, two layer norms
    fusion = (64 + 64 + 128 + 3) * 8 + 9 * 3 * 8 * 8 + 2 * 8
    decoder = 9 * (16 + 8) * 16 + 2 * 16 + 9 * 16 * 16 + 2 * 16
    rest = (256 + 1) * 16 + 3 * block + fusion + decoder + (16 + 1) * 5
    assert count(network) == count(encoder) - stage_4 + rest


@pytest.mark.parametrize("encoder", ["resnet10t", "convnext_atto", "mobilenetv3_small_050"])
def test_sizes_in_evaluation(encoder):
    network = make(encoder=encoder).eval()
    with torch.no_grad():
        for height, width in [(64, 128), (96, 96), (16, 32)]:
            logits = network(torch.rand(1, 2, height, width))
            assert logits.shape == (1, 5, height, width)
            assert logits.isfinite().all()


@pytest.mark.parametrize("encoder", ["resnet10t", "mobilenetv3_small_050"])
@pytest.mark.parametrize("norm", [BatchNorm(), GroupNorm(groups=4)], ids=lambda norm: norm.kind)
@pytest.mark.parametrize("batch", [1, 2])
def test_training_step(encoder, norm, batch):
    network = make(encoder=encoder, norm=norm, drop_path=0.1)
    network(torch.rand(batch, 2, 16, 32)).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert any(isinstance(module, _BatchNorm) for module in network.modules()) == (norm == BatchNorm())


def test_every_low_level_feature_reaches_the_fusion():
    network = make().eval()
    with torch.no_grad():
        *low_level, _ = network.encoder(torch.rand(1, 2, 32, 64))
        assert [tuple(map_.shape[-2:]) for map_ in low_level] == [(16, 32), (8, 16), (4, 8)]
        whole = network.fusion(low_level, (8, 16))
        assert whole.shape == (1, 8, 8, 16)
        for left_out in range(3):
            fewer = [torch.zeros_like(map_) if i == left_out else map_ for i, map_ in enumerate(low_level)]
            assert not torch.allclose(network.fusion(fewer, (8, 16)), whole)


def test_blocks_heads_and_drop_path_reach_the_transformer():
    with torch.device("meta"):
        blocks = make(blocks=3, heads=8, drop_path=0.2).attention.blocks
    assert len(blocks) == 3
    assert {block.attn.num_heads for block in blocks} == {8}
    assert {block.drop_path1.drop_prob for block in blocks} == {0.2}


def test_refuses_an_unknown_encoder():
    with torch.device("meta"), pytest.raises(ValueError, match=r"got 'resnet81': did you mean resnet18 or"):
        make(encoder="resnet81")
