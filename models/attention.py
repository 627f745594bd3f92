"""Transformer blocks at the bottleneck, for maps of any size: (N, C, H, W) -> (N, C, H, W)."""

import torch
from timm.layers.drop import DropPath
from timm.layers.mlp import Mlp
from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
from timm.layers.weight_init import trunc_normal_
from timm.models import swin_transformer
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional

from spaces.networks import GlobalAttention, WindowAttention


class GlobalSelfAttention(nn.Module):
    """Pre-norm transformer blocks (ViT, Dosovitskiy et al. 2021) over all positions.

    A fixed 2-D sine embedding of the actual height and width is added once, before the first block.
    """

    def __init__(self, channels: int, config: GlobalAttention) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                Block(channels, config.heads, config.mlp_ratio, qkv_bias=True, drop_path=config.drop_path)
                for _ in range(config.blocks)
            )
        )
        self.apply(_initialize_linear)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        _, channels, height, width = features.shape
        tokens = features.flatten(2).transpose(1, 2)
        tokens = self.blocks(tokens + sine_position_embedding(height, width, channels, features))
        return tokens.transpose(1, 2).unflatten(2, (height, width))


def sine_position_embedding(height: int, width: int, channels: int, like: Tensor) -> Tensor:
    """Sines and cosines of row and column, (height * width, channels), on the device and of the type of `like`.

    The embedding comes in multiples of four channels and is cut to `channels`.
    """
    rounded = -(-channels // 4) * 4
    embedding = build_sincos2d_pos_embed([height, width], rounded, device=like.device, dtype=like.dtype)
    return embedding[:, :channels]


class WindowSelfAttention(nn.Module):
    """Swin units (Liu et al. 2021): pairs of a window block and a shifted-window block."""

    def __init__(self, channels: int, config: WindowAttention) -> None:
        super().__init__()
        shifts = (0, config.window // 2) * config.blocks
        self.blocks = nn.Sequential(*(WindowBlock(channels, config, shift) for shift in shifts))
        self.apply(_initialize_linear)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return self.blocks(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class WindowBlock(nn.Module):
    """A Swin transformer block that takes its size from its input instead of fixing it when built.

    timm's SwinTransformerBlock masks for one input size, and where windows do not divide that size it attends to
    padding and rolls before it pads, so that the mask misses the seam. This block has its parameters, equals it where
    windows divide the size, and masks the padding elsewhere. As in Swin, an axis that one window covers is not shifted.
    """

    def __init__(self, channels: int, config: WindowAttention, shift: int) -> None:
        super().__init__()
        self.window = config.window
        self.shift = shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = swin_transformer.WindowAttention(channels, config.heads, window_size=config.window)
        self.drop_path1 = DropPath(config.drop_path)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, int(channels * config.mlp_ratio))
        self.drop_path2 = DropPath(config.drop_path)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, H, W, C) to the same shape."""
        features = features + self.drop_path1(self._attend(self.norm1(features)))
        return features + self.drop_path2(self.mlp(self.norm2(features)))

    def _attend(self, features: Tensor) -> Tensor:
        _, height, width, _ = features.shape
        down, right = -height % self.window, -width % self.window
        shifts = (self._shift(height), self._shift(width))
        regions = attention_regions(height, width, down, right, shifts, features.device)
        windows = self._partition(functional.pad(features, (0, 0, 0, right, 0, down)), shifts)
        attended = self.attn(windows, mask=_mask(self._partition(regions, shifts)))
        merged = swin_transformer.window_reverse(
            attended.unflatten(1, (self.window, self.window)),
            (self.window, self.window),
            height + down,
            width + right,
        )
        return torch.roll(merged, shifts, dims=(1, 2))[:, :height, :width]

    def _shift(self, size: int) -> int:
        return self.shift if size > self.window else 0

    def _partition(self, features: Tensor, shifts: tuple[int, int]) -> Tensor:
        """Shift (N, H, W, C) and cut it into windows (N * windows, window * window, C)."""
        shifted = torch.roll(features, (-shifts[0], -shifts[1]), dims=(1, 2))
        return swin_transformer.window_partition(shifted, (self.window, self.window)).flatten(1, 2)


def attention_regions(
    height: int, width: int, down: int, right: int, shifts: tuple[int, int], device: torch.device
) -> Tensor:
    """Which positions may see each other once the map is shifted: those of equal number, (1, H + down, W + right, 1).

    Rows and columns that the cyclic shift carries to the opposite edge are regions of their own; padding is region 0.
    """
    wrapped_rows = torch.arange(height + down, device=device) < shifts[0]
    wrapped_columns = torch.arange(width + right, device=device) < shifts[1]
    regions = 1 + 2 * wrapped_rows[:, None].long() + wrapped_columns[None, :].long()
    regions[height:] = 0
    regions[:, width:] = 0
    return regions[None, :, :, None]


def _mask(regions: Tensor) -> Tensor:
    """Minus infinity between positions of different regions: (windows, area, 1) -> (windows, area, area)."""
    apart = regions != regions.transpose(1, 2)
    return torch.zeros(apart.shape, device=apart.device).masked_fill(apart, float("-inf"))


def _initialize_linear(module: nn.Module) -> None:
    # Both papers: a truncated normal of deviation 0.02, which lets a residual branch start small.
    if isinstance(module, nn.Linear):
        trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
