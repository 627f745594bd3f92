"""The network as a whole: sizes, modes, determinism, gradients, saving."""

import pytest
import torch
from torch.nn import functional

from models.build import build_model
from models.cost import measure_cost
from models.frame import from_patches, pad_to_stride, to_patches
from spaces.networks import (
    ASPP,
    AdditiveGate,
    BatchNorm,
    GlobalAttention,
    GroupNorm,
    InstanceNorm,
    LayerNorm2d,
    NoNorm,
    OktayGridGate,
    ParallelDilated,
    UNetConfig,
    WeightStandardization,
    WindowAttention,
)


def make_config(**options) -> UNetConfig:
    return UNetConfig(**{"in_channels": 1, "classes": 5, "depth": 3, "width": 8, **options})


VARIANTS = {
    "plain": make_config(),
    "patch_2": make_config(patch=2, deep_supervision=0.4, input_norm=True),
    "patch_4": make_config(patch=4, upsampling="upcat"),
    "no_norm": make_config(norm=NoNorm(), upsampling="upcat", dropout=0.2),
    "grid": make_config(gate=OktayGridGate(ratio=0.5), bottleneck=ASPP(width=8), depth=4, activation="silu"),
    "additive": make_config(gate=AdditiveGate(), bottleneck=ParallelDilated(), norm=GroupNorm(), upsampling="upconv3"),
    "concat": make_config(bottleneck=ParallelDilated(fusion="concat"), norm=InstanceNorm(), context="avg_mul", convs=1),
    "report_000": make_config(
        width=24,  # with fewer, squeeze-and-excitation has two hidden units, which a start may leave dead
        bottleneck=ParallelDilated(),
        context="gc",
        squeeze_excitation=True,
        input_norm=True,
        upsampling="tconv3",
    ),
    "window": make_config(bottleneck=WindowAttention(drop_path=0.1), norm=LayerNorm2d(), residual="post_add", width=12),
    "global": make_config(bottleneck=GlobalAttention(blocks=2), residual="pre_act", deep_supervision=0.4),
    "standardized": make_config(
        norm=WeightStandardization(), residual="post_add", gate=AdditiveGate(), bottleneck=ASPP(width=8), convs=3
    ),
}

variants = pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())


def logits_of(output):
    return output if isinstance(output, tuple) else (output,)


@variants
@pytest.mark.parametrize(("height", "width"), [(50, 77), (8, 8), (1, 1), (3, 40)])
def test_any_size_and_a_batch_of_one_in_evaluation(config, height, width):
    with torch.no_grad():
        logits = build_model(config).eval()(torch.rand(1, 1, height, width))
    assert logits.shape == (1, 5, height, width)
    assert logits.isfinite().all()


@variants
def test_every_option_trains_in_bfloat16_and_channels_last(config):
    model = build_model(config).to(memory_format=torch.channels_last)
    images = torch.rand(2, 1, 22, 33).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = logits_of(model(images))
    assert {logits.dtype for logits in outputs} == {torch.bfloat16}
    sum(logits.float().square().mean() for logits in outputs).backward()
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float32, name
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@variants
def test_gradients_reach_every_weight(config):
    torch.manual_seed(1)
    model = build_model(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    images, truth = torch.rand(4, 1, 24, 32), torch.randint(5, (4, 24, 32))
    labels = {(24 >> level, 32 >> level): truth[:, :: 2**level, :: 2**level] for level in range(4)}
    reached = set()
    for _ in range(3):  # what starts at zero lets gradients through from the second step on
        optimizer.zero_grad()
        outputs = logits_of(model(images))
        sum(functional.cross_entropy(logits, labels[tuple(logits.shape[-2:])]) for logits in outputs).backward()
        reached |= {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
        optimizer.step()
    # The bias of a convolution whose mean a normalization removes has no effect, and a gradient of about zero.
    assert {name for name, parameter in model.named_parameters() if parameter.ndim > 1} <= reached


def test_deep_supervision_returns_auxiliary_logits_in_training_only():
    model = build_model(make_config(depth=4, deep_supervision=0.3))
    images = torch.rand(2, 1, 50, 77)
    outputs = model(images)
    assert isinstance(outputs, tuple)
    assert [tuple(logits.shape) for logits in outputs] == [(2, 5, 50, 77), (2, 5, 25, 39), (2, 5, 13, 20)]
    assert isinstance(model.eval()(images), torch.Tensor)


def test_deep_supervision_orders_levels_from_fine_to_coarse():
    torch.manual_seed(0)
    outputs = build_model(make_config(depth=4, deep_supervision=0.3))(torch.rand(1, 1, 64, 64))
    roughness = [(logits.diff(dim=-1).abs().mean() / logits.std()).item() for logits in outputs]
    assert roughness == sorted(roughness, reverse=True)


def test_deep_supervision_of_two_levels_has_the_main_logits_alone():
    outputs = build_model(make_config(depth=2, deep_supervision=0.3))(torch.rand(1, 1, 8, 8))
    assert isinstance(outputs, tuple)
    assert len(outputs) == 1


def test_patches_put_auxiliary_logits_at_strides_of_the_image():
    outputs = build_model(make_config(depth=4, patch=2, deep_supervision=0.3))(torch.rand(2, 1, 50, 77))
    assert [tuple(logits.shape) for logits in outputs] == [(2, 5, 50, 77), (2, 5, 13, 20), (2, 5, 7, 10)]


@pytest.mark.parametrize("patch", [2, 4])
def test_patches_run_the_same_network_on_fewer_positions(patch):
    whole, patched = (measure_cost(make_config(patch=size, in_channels=3), 64, 128) for size in (1, patch))
    assert 0.9 < patched.macs * patch**2 / whole.macs < 1.8  # the first convolution has more channels
    images = torch.arange(2 * 3 * 8 * 12.0).reshape(2, 3, 8, 12)
    patches = to_patches(images, patch)
    assert patches.shape == (2, 3 * patch**2, 8 // patch, 12 // patch)
    torch.testing.assert_close(functional.pixel_shuffle(patches, patch), images)


def test_logits_of_patches_are_interpolated_between_their_centres():
    columns = torch.arange(4.0).expand(1, 1, 3, 4)
    expected = [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]
    assert from_patches(columns, 2)[0, 0, 0].tolist() == expected
    assert from_patches(columns, 1) is columns


def test_grid_gates_need_a_third_level():
    assert build_model(make_config(depth=2, gate=OktayGridGate())).state_dict().keys() == (
        build_model(make_config(depth=2)).state_dict().keys()
    )


def test_bottleneck_modules_come_in_the_order_of_report_000():
    modules = build_model(VARIANTS["report_000"]).network.bottleneck
    assert [type(module).__name__ for module in modules] == [
        "Sequential",
        "AddedDilations",
        "GlobalContext",
        "SEModule",
    ]


@pytest.mark.parametrize(
    ("size", "padded"), [((64, 128), (64, 128)), ((50, 77), (56, 80)), ((1, 9), (8, 16)), ((8, 8), (8, 16))]
)
def test_padding_reaches_the_stride_and_two_bottleneck_positions(size, padded):
    images = torch.rand(2, 3, *size)
    result = pad_to_stride(images, 8)
    assert result.shape == (2, 3, *padded)
    torch.testing.assert_close(result[..., : size[0], : size[1]], images)


def test_padding_reflects_where_it_can():
    assert pad_to_stride(torch.arange(6.0).reshape(1, 1, 1, 6), 4)[0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 5, 5]
    rows = torch.arange(6.0).reshape(1, 1, 6, 1).expand(1, 1, 6, 4)
    assert pad_to_stride(rows, 4)[0, 0, :, 0].tolist() == [0, 1, 2, 3, 4, 5, 4, 3]


def test_input_norm_standardizes_channels():
    model = build_model(make_config(in_channels=2, input_norm=True, norm=BatchNorm()))
    images = torch.rand(4, 2, 16, 16) * 100
    torch.testing.assert_close(model.input_norm(images).std((0, 2, 3)), torch.ones(2), rtol=1e-2, atol=0)
