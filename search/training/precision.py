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


def default_device() -> torch.device:
    """The GPU that this process was given, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
