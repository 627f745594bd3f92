"""Normalization layers and the convolutions that go with them."""

from math import gcd

from timm.layers.norm import LayerNorm2d as TimmLayerNorm2d
from timm.layers.std_conv import ScaledStdConv2d
from torch import Tensor, nn
from torch.nn import functional

from spaces.networks import BatchNorm, GroupNorm, InstanceNorm, LayerNorm2d, NoNorm, Norm, WeightStandardization


def make_norm(norm: Norm, channels: int) -> nn.Module:
    """The normalization of a feature map (N, channels, H, W); identity for weight standardization and none."""
    match norm:
        case BatchNorm():
            return nn.BatchNorm2d(channels)
        case GroupNorm():
            return nn.GroupNorm(gcd(norm.groups, channels), channels)
        case InstanceNorm():
            return nn.InstanceNorm2d(channels, affine=True)
        case LayerNorm2d() if channels == 1:
            # One channel normalized over itself is zero everywhere: normalize the map over its positions instead.
            return nn.GroupNorm(1, 1)
        case LayerNorm2d():
            return TimmLayerNorm2d(channels)
        case WeightStandardization() | NoNorm():
            return nn.Identity()


def make_pooled_norm(norm: Norm, channels: int) -> nn.Module:
    """The normalization of a globally pooled map (N, channels, 1, 1), with the parameters of `make_norm`.

    An instance has one value a channel here, and statistics over a single value would erase it. Instance and group
    normalization therefore go over all channels; batch normalization copes with a batch of one (`PooledBatchNorm`); a
    single channel is left alone by all but batch normalization.
    """
    match norm:
        case BatchNorm():
            return PooledBatchNorm(channels)
        case _ if channels == 1:
            return nn.Identity()
        case GroupNorm() | InstanceNorm():
            return nn.GroupNorm(1, channels)
        case LayerNorm2d() | WeightStandardization() | NoNorm():
            return make_norm(norm, channels)


class PooledBatchNorm(nn.Module):
    """Batch normalization of (N, C, 1, 1) that falls back on its running statistics when training on a batch of one.

    torch refuses that case, for a variance over one value does not exist. Such a step uses the statistics of the
    batches before it, leaves them as they are, and still trains the affine parameters.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, pooled: Tensor) -> Tensor:
        """Normalize (N, C, 1, 1)."""
        if pooled.shape[0] > 1:
            return self.norm(pooled)
        norm = self.norm
        return functional.batch_norm(pooled, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def make_conv(
    norm: Norm, in_channels: int, out_channels: int, *, kernel: int, dilation: int, bias: bool, gain: float
) -> nn.Conv2d:
    """A convolution of stride 1 that keeps H and W, in the form that `norm` asks for.

    Weight standardization takes timm's ScaledStdConv2d (Brock et al. 2021), not StdConv2d: without a normalization
    layer behind it the weights need the 1/sqrt(fan-in) scale, the learned gain of each filter and the activation's
    `gain`, else activations explode with depth. A filter of one weight cannot be standardized and stays plain.
    Without any normalization the weights start as He et al. 2015 and the U-Net paper set them, or signals fade away.
    """
    padding = dilation * (kernel // 2)
    if isinstance(norm, WeightStandardization) and in_channels * kernel**2 > 1:
        return ScaledStdConv2d(
            in_channels, out_channels, kernel, padding=padding, dilation=dilation, bias=bias, gamma=gain
        )
    conv = nn.Conv2d(in_channels, out_channels, kernel, padding=padding, dilation=dilation, bias=bias)
    if isinstance(norm, NoNorm):
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return conv
