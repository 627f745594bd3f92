"""Self-attention at the bottleneck: equal to timm where timm is right, and right at every other size."""

import math

import pytest
import torch
from timm.models.swin_transformer import SwinTransformerBlock
from torch import nn

from models.attention import GlobalSelfAttention, WindowBlock, WindowSelfAttention, sine_position_embedding
from spaces.networks import GlobalAttention, WindowAttention


def randomize(module: nn.Module) -> None:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)


def test_window_block_has_the_parameters_of_swin():
    config = WindowAttention(heads=8, window=4, mlp_ratio=4)
    assert sum(p.numel() for p in WindowBlock(256, config, 2).parameters()) == 790_152


@pytest.mark.parametrize(("height", "width"), [(8, 16), (4, 8), (8, 4), (4, 4), (12, 8)])
@pytest.mark.parametrize("shift", [0, 2])
def test_window_block_equals_timm_where_windows_divide_the_map(height, width, shift):
    torch.manual_seed(0)
    block = WindowBlock(16, WindowAttention(heads=2, window=4, mlp_ratio=2), shift).eval()
    reference = SwinTransformerBlock(16, (height, width), 2, window_size=4, shift_size=shift, mlp_ratio=2).eval()
    randomize(block)
    reference.load_state_dict(block.state_dict())
    features = torch.randn(2, height, width, 16)
    torch.testing.assert_close(block(features), reference(features), rtol=1e-4, atol=1e-4)


def test_a_map_smaller_than_the_window_equals_a_window_of_the_map():
    torch.manual_seed(0)
    block = WindowBlock(16, WindowAttention(heads=2, window=4, mlp_ratio=2), 2).eval()
    randomize(block)
    reference = SwinTransformerBlock(16, (3, 2), 2, window_size=4, shift_size=2, mlp_ratio=2).eval()
    state = block.state_dict()
    table = state["attn.relative_position_bias_table"].reshape(7, 7, 2)
    state["attn.relative_position_bias_table"] = table[1:6, 2:5].reshape(-1, 2)  # offsets -2..2 and -1..1
    reference.load_state_dict(state)
    features = torch.randn(2, 3, 2, 16)
    torch.testing.assert_close(block(features), reference(features), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("shift", "rows", "columns"),
    [
        (0, [{0, 1, 2, 3}, {4, 5}], [{0, 1, 2, 3}, {4}]),
        (2, [{0, 1}, {2, 3, 4, 5}], [{0, 1}, {2, 3, 4}]),
    ],
)
def test_positions_see_exactly_their_window(shift, rows, columns):
    torch.manual_seed(0)
    block = WindowBlock(8, WindowAttention(heads=2, window=4), shift).eval()
    randomize(block)
    features = torch.randn(1, 6, 5, 8, requires_grad=True)
    output = block(features)
    for row in range(6):
        for column in range(5):
            (gradient,) = torch.autograd.grad(output[0, row, column].sum(), features, retain_graph=True)
            seen = {(int(r), int(c)) for r, c in gradient[0].abs().sum(-1).nonzero()}
            window_rows = next(group for group in rows if row in group)
            window_columns = next(group for group in columns if column in group)
            assert seen == {(r, c) for r in window_rows for c in window_columns}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 2), (3, 5), (4, 8), (9, 7)])
@pytest.mark.parametrize("window", [1, 2, 4, 7])
def test_window_attention_takes_any_size(height, width, window):
    module = WindowSelfAttention(8, WindowAttention(heads=2, window=window, drop_path=0.2))
    output = module(torch.randn(2, 8, height, width))
    assert output.shape == (2, 8, height, width)
    assert output.isfinite().all()


def test_window_attention_alternates_shifts():
    module = WindowSelfAttention(8, WindowAttention(blocks=2, window=4))
    assert [block.shift for block in module.blocks] == [0, 2, 0, 2]


def test_sine_position_embedding():
    embedding = sine_position_embedding(3, 5, 8, torch.zeros(1)).reshape(3, 5, 8)
    angles = [2, 2 / 100, 3, 3 / 100]  # row 2, column 3, at frequencies 1 and 1 / sqrt(10,000)
    expected = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
    torch.testing.assert_close(embedding[2, 3], torch.tensor(expected))


@pytest.mark.parametrize(("channels", "heads"), [(2, 1), (6, 2), (8, 4)])
def test_global_attention_takes_any_size(channels, heads):
    module = GlobalSelfAttention(channels, GlobalAttention(heads=heads))
    assert module(torch.randn(2, channels, 3, 5)).shape == (2, channels, 3, 5)


def test_global_attention_sees_all_positions_and_tells_them_apart():
    torch.manual_seed(0)
    module = GlobalSelfAttention(8, GlobalAttention(blocks=2)).eval()
    randomize(module)
    features = torch.randn(1, 8, 3, 4, requires_grad=True)
    output = module(features)
    (gradient,) = torch.autograd.grad(output[0, :, 0, 0].sum(), features)
    assert (gradient.abs().sum(1) > 0).all()
    flipped = module(features.flip(-1)).flip(-1)
    assert not torch.allclose(output, flipped, atol=1e-3)
