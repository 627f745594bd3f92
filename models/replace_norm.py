"""Group normalization in place of the batch normalization of networks that are made elsewhere."""

from math import gcd
from typing import cast

from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPPPooling
from timm.layers.norm_act import BatchNormAct2d, GroupNormAct
from timm.layers.selective_kernel import SelectiveKernelAttn
from timm.layers.split_attn import SplitAttn
from torch import nn

from models.norms import make_pooled_norm
from spaces.networks import BatchNorm, GroupNorm

POOLED_NORMS: tuple[tuple[type[nn.Module], str], ...] = (
    (ASPPPooling, "2"),
    (SelectiveKernelAttn, "bn"),
    (SplitAttn, "bn1"),
)
"""Where smp and timm normalize a globally pooled map, (N, C, 1, 1): the module, and the name of its normalization."""


def replace_batch_norm(network: nn.Module, norm: BatchNorm | GroupNorm) -> None:
    """Give `network` the normalization that a configuration asks for, in place, wherever it has nn.BatchNorm2d.

    - Batch: only that of pooled maps changes, so that a batch of one trains.
    - Group: nn.GroupNorm of gcd(groups, channels) groups, which keeps the affine parameters as they were initialized
      (timm starts some scales at zero), and the activation that timm's BatchNormAct2d carries. That of pooled maps is
      one group.

    Layer and group normalization that an encoder or decoder is published with stay.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, _replacement(parent, name, child, norm))


def _replacement(parent: nn.Module, name: str, old: nn.BatchNorm2d, norm: BatchNorm | GroupNorm) -> nn.Module:
    if any(isinstance(parent, kind) and name == pooled for kind, pooled in POOLED_NORMS):
        return make_pooled_norm(norm, old.num_features)
    return old if isinstance(norm, BatchNorm) else _to_group_norm(old, norm.groups)


def _to_group_norm(old: nn.BatchNorm2d, groups: int) -> nn.GroupNorm:
    channels = old.num_features
    groups = gcd(groups, channels)
    if isinstance(old, BatchNormAct2d):
        new = GroupNormAct(channels, groups, apply_act=False)
        new.drop, new.act = cast("nn.Module", old.drop), cast("nn.Module", old.act)
    else:
        new = nn.GroupNorm(groups, channels)
    new.weight, new.bias = old.weight, old.bias
    return new
