"""The layers that all blocks of one network are made of: its convolution, normalization, activation and dropout."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from models.norms import make_conv, make_norm, make_pooled_norm
from spaces.networks import ConvolutionalConfig, NoNorm, Norm, WeightStandardization

Activation = Literal["relu", "leaky_relu", "silu", "mish"]

ACTIVATION_GAIN: dict[Activation, float] = {"relu": 1.7129, "leaky_relu": 1.7048, "silu": 1.7872, "mish": 1.5920}
"""1 / standard deviation of the activation of a standard normal variable (Brock et al. 2021)."""


def make_activation(activation: Activation) -> nn.Module:
    """The activation, out of place: residual blocks and skips still need what went into it."""
    match activation:
        case "relu":
            return nn.ReLU()
        case "leaky_relu":
            return nn.LeakyReLU()
        case "silu":
            return nn.SiLU()
        case "mish":
            return nn.Mish()


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Makes the layers of one network, so that blocks need not know which variant was chosen."""

    norm: Norm
    activation: Activation
    dropout_rate: float

    @classmethod
    def of(cls, config: ConvolutionalConfig) -> "Layers":
        """The layers that a configuration asks for."""
        return cls(norm=config.norm, activation=config.activation, dropout_rate=config.dropout)

    @property
    def normalizes(self) -> bool:
        """Whether a normalization layer follows convolutions, which makes their bias redundant."""
        return not isinstance(self.norm, NoNorm | WeightStandardization)

    def conv(
        self, in_channels: int, out_channels: int, kernel: int = 3, dilation: int = 1, bias: bool = True
    ) -> nn.Conv2d:
        """A convolution that keeps H and W."""
        return make_conv(
            self.norm,
            in_channels,
            out_channels,
            kernel=kernel,
            dilation=dilation,
            bias=bias,
            gain=ACTIVATION_GAIN[self.activation],
        )

    def normalization(self, channels: int) -> nn.Module:
        """The normalization of a feature map."""
        return make_norm(self.norm, channels)

    def pooled_normalization(self, channels: int) -> nn.Module:
        """The normalization of a globally pooled feature map."""
        return make_pooled_norm(self.norm, channels)

    def act(self) -> nn.Module:
        """The activation."""
        return make_activation(self.activation)

    def dropout(self) -> nn.Module:
        """Spatial dropout: whole channels at a time (Tompson et al. 2015)."""
        return nn.Dropout2d(self.dropout_rate) if self.dropout_rate else nn.Identity()

    def conv_norm_act(
        self, in_channels: int, out_channels: int, kernel: int = 3, dilation: int = 1, bias: bool = True
    ) -> nn.Sequential:
        """Convolution, normalization, activation. `bias=False` is heeded only where a normalization replaces it."""
        return nn.Sequential(
            self.conv(in_channels, out_channels, kernel, dilation, bias or not self.normalizes),
            self.normalization(out_channels),
            self.act(),
        )
