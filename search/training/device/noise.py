"""Dense noise, drawn on the device."""

import numpy as np
import torch
from torch import Tensor


class BatchNoise:
    """Standard normal numbers for the images of one epoch, which are asked for in order.

    They are drawn batch by batch, so that they do not depend on how many batches make a chunk.
    """

    def __init__(self, seed: int, batch_size: int, device: torch.device):
        self._generator = torch.Generator(device=device).manual_seed(seed)
        self._batch_size, self._device = batch_size, device

    def draw(self, rows: np.ndarray, shape: tuple[int, ...]) -> Tensor:
        """(len(rows), *shape) float32 for images `rows`, ascending, of a chunk of whole batches."""
        noise = torch.empty(len(rows), *shape, device=self._device)
        for part in noise.split(np.bincount(rows // self._batch_size).tolist()):
            if len(part):
                part.normal_(generator=self._generator)
        return noise
