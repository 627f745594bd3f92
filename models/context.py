"""Channel attention at the bottleneck: global context and squeeze-and-excitation, (N, C, H, W) -> (N, C, H, W)."""

from typing import Literal

from timm.layers.global_context import GlobalContext
from timm.layers.norm import LayerNorm2d
from timm.layers.squeeze_excite import SEModule
from torch import nn

GlobalContextKind = Literal["gc", "avg_mul"]


def make_global_context(kind: GlobalContextKind, channels: int) -> nn.Module:
    """Global context: `gc` is GCNet's block, `avg_mul` scales channels from their mean.

    Both squeeze to channels / 16, at least 4: their layer normalization erases what it sees when there are fewer.
    """
    squeezed = max(4, channels // 16)
    match kind:
        case "gc":
            return make_gcnet_block(channels, squeezed)
        case "avg_mul":
            return GlobalContext(channels, use_attn=False, fuse_scale=True, rd_channels=squeezed)


def make_gcnet_block(channels: int, squeezed: int) -> GlobalContext:
    """The context block of GCNet (Cao et al. 2019): attention pooling, transform, addition; the identity at first.

    timm's module differs from the authors' (xvjiarui/GCNet) in two details, mended here: it leaves the last bias
    random, so that it does not start as the identity, and its layer normalization has epsilon 1e-6 instead of 1e-5.
    """
    block = GlobalContext(channels, use_attn=True, fuse_add=True, fuse_scale=False, rd_channels=squeezed)
    transform = block.mlp_add
    assert transform is not None
    assert isinstance(transform.norm, LayerNorm2d)
    assert transform.fc2.bias is not None
    transform.norm.eps = 1e-5
    nn.init.zeros_(transform.fc2.bias)
    return block


def make_squeeze_excitation(channels: int) -> nn.Module:
    """Squeeze-and-excitation (Hu et al. 2018) with reduction 16; timm's default would round the width up to 8."""
    return SEModule(channels, rd_ratio=1 / 16, rd_divisor=1)
