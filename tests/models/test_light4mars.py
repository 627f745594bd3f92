"""Light4Mars: the published counts, its two oddities, and its windows."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.light4mars import Layer, Light4Mars, SqueezedWindowAttention, drop_path_rates, squeeze
from models.light4mars_head import LocalAttention
from spaces.networks import Light4MarsConfig

CLEANED = {"shared_norm": False, "double_residual": False, "masked_padding": True}


def make_config(**options) -> Light4MarsConfig:
    return Light4MarsConfig(**{"in_channels": 1, "classes": 5, "width": 4, **options})


def make(in_channels: int = 1, classes: int = 5, **options) -> Light4Mars:
    return Light4Mars(make_config(**options), in_channels=in_channels, classes=classes)


def randomize(module: nn.Module) -> nn.Module:
    """Weights large enough that each part is seen in the output."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


@pytest.mark.parametrize(("width", "layers", "expected"), [(8, 1, 101_573), (32, 1, 1_496_069), (32, 2, 2_565_989)])
def test_published_counts(width: int, layers: int, expected: int) -> None:
    with torch.device("meta"):
        network = make(width=width, layers=layers)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_only_a_second_norm_adds_parameters() -> None:
    published, cleaned = (set(make(**options).state_dict()) for options in ({}, CLEANED))
    added = cleaned - published
    assert len(added) == 2 * 4
    assert all(".second_norm." in name for name in added)
    assert published < cleaned


def test_drop_path_rises_from_zero_to_its_rate() -> None:
    assert drop_path_rates(0.3, 4) == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert drop_path_rates(0.3, 1) == [0.0]
    layers = [module for module in make(layers=2, drop_path=0.7).modules() if isinstance(module, Layer)]
    assert [layer.drop_path.drop_prob for layer in layers] == pytest.approx([i / 10 for i in range(8)])
    assert [layer.attention.heads for layer in layers] == [1, 1, 2, 2, 4, 4, 8, 8]


def test_linear_layers_start_small_and_convolutions_by_their_fan_out() -> None:
    torch.manual_seed(0)
    network = make(width=32)
    value, patches = network.stages[3][1].attention.value, network.stages[3][0].conv
    assert value.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert patches.weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.05)
    assert not value.bias.any()


# --- A layer ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("double", [True, False])
def test_a_layer_by_hand(shared: bool, double: bool) -> None:
    torch.manual_seed(0)
    layer = randomize(Layer(8, 2, 0.0, make_config(shared_norm=shared, double_residual=double)))
    x = torch.randn(2, 5, 6, 8)
    first, second = layer.norm, layer.norm if shared else layer.second_norm
    assert (layer.second_norm is None) == shared
    middle = x + layer.attention(functional.layer_norm(x, (8,), first.weight, first.bias))
    normalized = functional.layer_norm(middle, (8,), second.weight, second.bias)
    expected = middle + layer.feedforward(normalized)
    torch.testing.assert_close(layer(x), expected + middle if double else expected)


def test_the_feedforward_part_sees_its_neighbours_by_hand() -> None:
    torch.manual_seed(0)
    part = randomize(Layer(4, 1, 0.0, make_config())).feedforward
    x = torch.randn(1, 3, 3, 4)
    hidden = x @ part.expand.weight.T + part.expand.bias
    padded = functional.pad(hidden, (0, 0, 1, 1, 1, 1))
    kernel = part.local.weight[:, 0]
    around = sum(padded[:, i : i + 3, j : j + 3] * kernel[:, i, j] for i in range(3) for j in range(3))
    expected = functional.gelu(around + part.local.bias + hidden) @ part.reduce.weight.T + part.reduce.bias
    torch.testing.assert_close(part(x), expected, rtol=1e-4, atol=1e-5)


def attend_by_hand(part: SqueezedWindowAttention, window: Tensor) -> Tensor:
    """Attention over one window (h, w, C), all of whose positions count."""
    height, width, channels = window.shape
    squeezed = window * window.mean(1, keepdim=True) * window.mean(0, keepdim=True)
    normalized = functional.layer_norm(squeezed, (channels,), part.norm.weight, part.norm.bias)
    query, key = part.query_key(normalized).flatten(0, 1).split(channels, dim=1)
    value = part.value(window).flatten(0, 1)
    size = channels // part.heads
    heads = [slice(head * size, (head + 1) * size) for head in range(part.heads)]
    attended = [((query[:, h] @ key[:, h].T) / size**0.5).softmax(1) @ value[:, h] for h in heads]
    return part.project(torch.cat(attended, dim=1)).reshape(height, width, channels)


def make_attention(*, window: int, masked: bool) -> SqueezedWindowAttention:
    torch.manual_seed(0)
    return randomize(SqueezedWindowAttention(8, 2, window, masked=masked))


@pytest.mark.parametrize("masked", [True, False])
def test_whole_windows_by_hand(masked: bool) -> None:
    part, features = make_attention(window=3, masked=masked), torch.randn(2, 6, 9, 8)
    result = part(features)
    for image in range(2):
        for top in range(0, 6, 3):
            for left in range(0, 9, 3):
                place = (image, slice(top, top + 3), slice(left, left + 3))
                torch.testing.assert_close(result[place], attend_by_hand(part, features[place]), rtol=1e-4, atol=1e-5)


def test_published_windows_attend_to_the_zeros_that_pad_them() -> None:
    part, features = make_attention(window=7, masked=False), torch.randn(1, 4, 5, 8)
    padded = functional.pad(features, (0, 0, 0, 2, 0, 3))
    torch.testing.assert_close(part(features)[0], attend_by_hand(part, padded[0])[:4, :5], rtol=1e-4, atol=1e-5)


def test_masked_windows_are_windows_of_the_map_alone() -> None:
    part, features = make_attention(window=7, masked=True), torch.randn(1, 4, 9, 8)
    result = part(features)[0]
    torch.testing.assert_close(result[:, :7], attend_by_hand(part, features[0, :, :7]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(result[:, 7:], attend_by_hand(part, features[0, :, 7:]), rtol=1e-4, atol=1e-5)


def test_a_masked_result_does_not_depend_on_what_pads() -> None:
    part, windows = make_attention(window=4, masked=True), torch.randn(3, 4, 4, 8)
    real = torch.zeros(3, 4, 4, 1)
    real[:, :3, :2] = 1
    other = torch.where(real > 0, windows, 100 * torch.randn(3, 4, 4, 8))
    torch.testing.assert_close(part.attend(windows, real)[:, :3, :2], part.attend(other, real)[:, :3, :2])
    assert not torch.allclose(part.attend(windows, None)[:, :3, :2], part.attend(other, None)[:, :3, :2])


def test_squeezing_multiplies_by_row_and_column_means() -> None:
    window = torch.tensor([[1.0, 3.0], [5.0, 7.0]]).reshape(1, 2, 2, 1)
    expected = torch.tensor([[1 * 2 * 3.0, 3 * 2 * 5.0], [5 * 6 * 3.0, 7 * 6 * 5.0]])
    assert torch.equal(squeeze(window, None)[0, ..., 0], expected)
    left = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).reshape(1, 2, 2, 1)
    assert squeeze(window, left)[0, ..., 0].tolist() == [[1 * 1 * 3.0, 0], [5 * 5 * 3.0, 0]]


# --- Head and export -------------------------------------------------------------------------------------------------


def test_local_attention_by_hand() -> None:
    torch.manual_seed(0)
    module = randomize(LocalAttention(6, 2)).eval()
    features = torch.randn(1, 6, 5, 7)
    reduced = functional.conv2d(features, module.reduce.weight, module.reduce.bias, padding=1, groups=2)
    normalized = module.norm(reduced)
    around = normalized + sum(scale(normalized) for scale in module.scales)
    mixed = torch.einsum("oc,nchw->nohw", module.mix[0].weight[..., 0, 0], around)
    torch.testing.assert_close(module(features), module.mix[1](mixed) * reduced, rtol=1e-4, atol=1e-5)
    assert [scale.kernel_size for scale in module.scales] == [(1, 1), (3, 3), (5, 5)]
