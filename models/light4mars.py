"""Light4Mars: four stages of squeezed window attention, under a head of local attention."""

from itertools import pairwise

import torch
from timm.layers.drop import DropPath
from timm.layers.weight_init import trunc_normal_
from timm.models.swin_transformer import window_partition, window_reverse
from torch import Tensor, nn
from torch.nn import functional

from models.light4mars_head import LocalAttentionHead
from spaces.networks import Light4MarsConfig

STAGES = 4


class Light4Mars(nn.Module):
    """Light4Mars (Xiong et al. 2024, defined by CVIR-Lab/Light4Mars), see `models.frame`.

    The defaults of its configuration are the published network. Stage i has `width` * 2**i channels at stride
    2, 4, 8, 16, and 1, 2, 4, 8 heads. Stochastic depth rises linearly from 0 to `drop_path` over all layers.

    The stages start as published, from scratch: linear layers from a truncated normal of deviation 0.02 with biases of
    0, so that residual branches start small; convolutions from a normal of deviation sqrt(2 / fan out) with biases of
    0. The head starts as torch's convolutions do.
    """

    stride = 2**STAGES

    def __init__(self, config: Light4MarsConfig, *, in_channels: int, classes: int) -> None:
        super().__init__()
        widths = [config.width * 2**stage for stage in range(STAGES)]
        rates = drop_path_rates(config.drop_path, STAGES * config.layers)
        self.stages = nn.ModuleList(
            make_stage(below, channels, 2**stage, rates[stage * config.layers : (stage + 1) * config.layers], config)
            for stage, (below, channels) in enumerate(pairwise([in_channels, *widths]))
        )
        self.stages.apply(_initialize)
        self.head = LocalAttentionHead(widths, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, H, W), multiples of 16, to logits (N, classes, H, W)."""
        levels = []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        return self.head(levels)


def drop_path_rates(last: float, layers: int) -> list[float]:
    """Rates that rise linearly from 0 to `last`; 0 where there is one layer only."""
    return [last * layer / max(layers - 1, 1) for layer in range(layers)]


def make_stage(
    in_channels: int, channels: int, heads: int, rates: list[float], config: Light4MarsConfig
) -> nn.Sequential:
    """One stage, (N, in_channels, H, W) to (N, channels, H / 2, W / 2), with a layer for each of `rates`."""
    return nn.Sequential(
        PatchEmbedding(in_channels, channels),
        *(Layer(channels, heads, rate, config) for rate in rates),
        ChannelsFirst(),
    )


class PatchEmbedding(nn.Module):
    """A 3x3 convolution of stride 2 and layer normalization: (N, C, H, W) to (N, H / 2, W / 2, C')."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, kernel_size=3, stride=2, padding=1)
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, features: Tensor) -> Tensor:
        """Halve the resolution."""
        return self.norm(self.conv(features).permute(0, 2, 3, 1))


class ChannelsFirst(nn.Module):
    """(N, H, W, C) to (N, C, H, W)."""

    def forward(self, features: Tensor) -> Tensor:
        """Move channels to the front."""
        return features.permute(0, 3, 1, 2)


class Layer(nn.Module):
    """Pre-norm transformer layer, (N, H, W, C) -> (N, H, W, C); `rate` is that of its stochastic depth.

    x + attention(norm(x)), then x + feedforward(norm(x)), where the published code has 2x (`double_residual`) and the
    same normalization twice (`shared_norm`).
    """

    def __init__(self, channels: int, heads: int, rate: float, config: Light4MarsConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.second_norm = None if config.shared_norm else nn.LayerNorm(channels)
        self.attention = SqueezedWindowAttention(channels, heads, config.window, masked=config.masked_padding)
        self.feedforward = FeedForward(channels)
        self.drop_path = DropPath(rate)
        self.carried = 2 if config.double_residual else 1

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, H, W, C) to the same shape."""
        features = features + self.drop_path(self.attention(self.norm(features)))
        second_norm = self.norm if self.second_norm is None else self.second_norm
        return self.carried * features + self.drop_path(self.feedforward(second_norm(features)))


class FeedForward(nn.Module):
    """Two linear layers, and between them a depthwise 3x3 convolution with a residual, and GELU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = 4 * channels
        self.expand = nn.Linear(channels, hidden)
        self.local = nn.Conv2d(hidden, hidden, kernel_size=3, padding=1, groups=hidden)
        self.act = nn.GELU()
        self.reduce = nn.Linear(hidden, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, H, W, C) to the same shape."""
        expanded = self.expand(features)
        local = self.local(expanded.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.reduce(self.act(expanded + local))


class SqueezedWindowAttention(nn.Module):
    """Self-attention in windows of `window` x `window`, without shift or position bias, (N, H, W, C) -> (N, H, W, C).

    Queries and keys see each position times the means of its row and of its column in the window. Zeros at the bottom
    and on the right complete the windows. They are keys and count in the means, as published, unless `masked`.
    """

    def __init__(self, channels: int, heads: int, window: int, *, masked: bool) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.masked = masked
        self.value = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)
        self.query_key = nn.Linear(channels, 2 * channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, H, W, C) to the same shape."""
        height, width = features.shape[1:3]
        down, right = -height % self.window, -width % self.window
        padding, size = (0, 0, 0, right, 0, down), (self.window, self.window)
        windows = window_partition(functional.pad(features, padding), size)
        real = None
        if self.masked and (down or right):
            ones = torch.ones_like(features[..., :1])
            real = window_partition(functional.pad(ones, padding), size)
        merged = window_reverse(self.attend(windows, real), size, height + down, width + right)
        return merged[:, :height, :width]

    def attend(self, windows: Tensor, real: Tensor | None) -> Tensor:
        """Attention within each of `windows` (B, w, w, C).

        `real` (B, w, w, 1) is 1 at positions of the map and 0 at padding, which no position of the map then depends on;
        None where all count.
        """
        query, key = self.query_key(self.norm(squeeze(windows, real))).chunk(2, dim=-1)
        mask = None if real is None else (real > 0).flatten(1)[:, None, None, :]
        query, key, value = (self._split(features) for features in (query, key, self.value(windows)))
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.project(attended.transpose(1, 2).reshape(windows.shape))

    def _split(self, features: Tensor) -> Tensor:
        """(B, w, w, C) to (B, heads, w * w, C / heads)."""
        return features.flatten(1, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2)


def squeeze(windows: Tensor, real: Tensor | None) -> Tensor:
    """`windows` (B, w, w, C) times the mean of each row and times the mean of each column, over `real` positions."""
    if real is None:
        return windows * windows.mean(2, keepdim=True) * windows.mean(1, keepdim=True)
    windows = windows * real
    rows, columns = (windows.sum(axis, keepdim=True) / real.sum(axis, keepdim=True).clamp(min=1) for axis in (2, 1))
    return windows * rows * columns


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
