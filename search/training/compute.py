"""Where and how a trial computes: device, precision, memory layout."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from search.training.batches import to_tensor
from spaces.config import BudgetConfig, Layout, Precision

FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Device and precision of forward passes, layout of images; weights, losses and the optimizer stay in float32."""

    device: torch.device
    precision: Precision
    layout: Layout = "channels_last"

    @classmethod
    def here(cls, budget: BudgetConfig) -> Self:
        """As `budget` says, on the GPU that this process was given, else on the CPU."""
        return cls(device=default_device(), precision=budget.precision, layout=budget.layout)

    def autocast(self) -> torch.autocast:
        """The context of forward passes."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")

    def place(self, model: nn.Module) -> None:
        """Move a network to the device, its weights in the layout."""
        model.to(self.device)
        model.to(memory_format=FORMATS[self.layout])

    def images(self, images: np.ndarray) -> Tensor:
        """Images (N, H, W, C) uint8 as float32 (N, C, H, W) in 0 to 1, on the device and in the layout."""
        return self.laid_out(to_tensor(images, self.device))

    def scaled(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) uint8 as float32 in 0 to 1, in the layout."""
        return self.laid_out(images / 255)

    def laid_out(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) with the strides of the layout.

        Of one channel, they are contiguous in both layouts, and `contiguous()` keeps their strides, by which torch
        chooses the layout of all that follows; a clone gets the strides of its format.
        """
        height, width = images.shape[2:]
        channels_last = images.stride(1) == 1 and images.stride(2) == width * images.shape[1]
        contiguous = images.stride(1) == height * width and images.stride(3) == 1
        fits = channels_last if self.layout == "channels_last" else contiguous
        return images if fits else images.clone(memory_format=FORMATS[self.layout])

    @property
    def forward_batch(self) -> int:
        """Images at once in passes without gradients: activations that stay in a CPU's cache, or that fill a GPU.

        On a CPU 16 tiles of 64x128 take as long in bfloat16 and 0.6 times as long in float32 as 64 at once.
        """
        return 64 if self.device.type == "cuda" else 16


def default_device() -> torch.device:
    """The GPU that this process was given, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
