"""Where and in which precision a trial computes."""

from dataclasses import dataclass
from typing import Literal

import torch


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Device and precision of forward passes; weights, losses and the optimizer stay in float32."""

    device: torch.device
    precision: Literal["float32", "bfloat16"]

    def autocast(self) -> torch.autocast:
        """The context of forward passes."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")

    @property
    def forward_batch(self) -> int:
        """Images at once in passes without gradients: activations that stay in a CPU's cache, or that fill a GPU.

        On a CPU 16 tiles of 64x128 take as long in bfloat16 and 0.6 times as long in float32 as 64 at once.
        """
        return 64 if self.device.type == "cuda" else 16


def default_device() -> torch.device:
    """The GPU that this process was given, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
