"""The arrays that all trials of a machine share, read-only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spaces.facts import DataFacts

VOID = 255
"""Mask value of pixels without a label: left out of every loss and of the metric."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Images (H, W, C) uint8 and masks (H, W) uint8 of class indices or `VOID`.

    Where all sizes agree both are one array, (N, H, W, C) and (N, H, W); else tuples of arrays. Both index alike.
    """

    images: Sequence[np.ndarray] | np.ndarray
    masks: Sequence[np.ndarray] | np.ndarray

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, kw_only=True)
class TrialData:
    """All that a trial may see: the training and the validation part, never the locked test part.

    Training images are at the scale at which networks train: `scale` times the native size. Validation images are
    native; the validation loop scales them, predicts, and measures at native resolution against the native masks.
    `start_weights` are the tensors, by name, of the file that configurations with `pretrained: sha256:...` start from.
    """

    train: Samples
    validation: Samples
    facts: DataFacts
    scale: float = 1.0
    start_weights: Mapping[str, np.ndarray] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all images and masks."""
        arrays = (part for samples in (self.train, self.validation) for part in (samples.images, samples.masks))
        return sum(sum(array.nbytes for array in part) for part in arrays)

    @property
    def uniform(self) -> bool:
        """Whether every image has the size at which networks train, so that no crop, pad or window is needed."""
        size = (self.facts.height, self.facts.width)
        return all(
            isinstance(part.images, np.ndarray) and part.images.shape[1:3] == size
            for part in (self.train, self.validation)
        )
