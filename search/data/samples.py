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

    `unlabelled` holds images (H, W, C) uint8 without masks, at the training scale; one array where all sizes agree.

    Training images are at the scale at which networks train: `scale` times the native size. Validation images are
    native; the validation loop scales them, predicts, and measures at native resolution against the native masks.
    `initial_weights` are the tensors of the file that networks start from, where `TrialConfig.pretrained` names one.
    """

    train: Samples
    validation: Samples
    facts: DataFacts
    scale: float = 1.0
    unlabelled: Sequence[np.ndarray] | np.ndarray = ()
    initial_weights: Mapping[str, np.ndarray] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all images, masks and weights."""
        labelled = (part for samples in (self.train, self.validation) for part in (samples.images, samples.masks))
        weights = sum(array.nbytes for array in (self.initial_weights or {}).values())
        return weights + sum(sum(array.nbytes for array in part) for part in (*labelled, self.unlabelled))

    @property
    def uniform(self) -> bool:
        """Whether every labelled image has the size at which networks train: no crop, pad or window is needed."""
        size = (self.facts.height, self.facts.width)
        return all(
            isinstance(part.images, np.ndarray) and part.images.shape[1:3] == size
            for part in (self.train, self.validation)
        )
