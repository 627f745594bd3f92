"""Networks that predict together: probabilities averaged over members and over flips of the image."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

NEVER = -1e4
"""The logit of a class that may not be predicted: finite, so that windows can be averaged."""


class Ensemble(nn.Module):
    """The mean of its networks' probabilities. Of one network and no flips: that network's own logits.

    - `shares`: what each network counts in the mean; they are scaled to sum to 1. Default: equal.
    - `temperatures`: what each network's logits are divided by (Guo et al. 2017). Default: 1.
    - `flips`: the axes of images (N, C, H, W) that each forward pass flips, such as `((), (-1,))` for the image as it
      is and its mirror image.
    - `excluded`: classes that are never predicted.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        *,
        shares: Sequence[float] | None = None,
        temperatures: Sequence[float] | None = None,
        flips: Sequence[tuple[int, ...]] = ((),),
        excluded: Sequence[int] = (),
    ) -> None:
        super().__init__()
        count = len(networks)
        shares = [1.0] * count if shares is None else list(shares)
        temperatures = [1.0] * count if temperatures is None else list(temperatures)
        assert count == len(shares) == len(temperatures) > 0, "one share and one temperature a network"
        assert flips, "at least the image as it is"
        self.networks = nn.ModuleList(networks)
        self.shares = [share / sum(shares) for share in shares]
        self.temperatures = temperatures
        self.flips = [tuple(axes) for axes in flips]
        self.excluded = list(excluded)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) in 0 to 1 to logits (N, K, H, W) float32, whose softmax are the probabilities."""
        logits = self._mixed(images)
        if self.excluded:
            # A constant in exported programs, which know no assignment to parts of a tensor.
            penalties = [NEVER if index in self.excluded else 0.0 for index in range(logits.shape[1])]
            logits = logits + torch.tensor(penalties, device=logits.device).view(1, -1, 1, 1)
        return logits

    def _mixed(self, images: Tensor) -> Tensor:
        if len(self.networks) == len(self.flips) == 1:
            (axes,) = self.flips
            return _flipped(self._logits(0, _flipped(images, axes)), axes)
        # All flips in one batch: a program then holds each network once.
        views = torch.cat([_flipped(images, axes) for axes in self.flips])
        total = torch.zeros((), device=images.device)
        for index, share in enumerate(self.shares):
            probabilities = self._logits(index, views).softmax(1)
            parts = probabilities.reshape(len(self.flips), -1, *probabilities.shape[1:])
            for part, axes in zip(parts, self.flips, strict=True):
                total = total + share / len(self.flips) * _flipped(part, axes)
        return total.clamp_min(torch.finfo(torch.float32).tiny).log()

    def _logits(self, index: int, images: Tensor) -> Tensor:
        return self.networks[index](images).float() / self.temperatures[index]


def _flipped(images: Tensor, axes: tuple[int, ...]) -> Tensor:
    return images.flip(axes) if axes else images
