"""What an epoch shows: which training images, in which order, in which batches, and which of them untouched.

Every random choice comes from a generator seeded by (seed, what for, epoch, ...). Epochs differ, a run repeats itself
in any process, and a trial resumed at an epoch needs no stored random state.
"""

import numpy as np

from search.data.samples import Samples, TrialData
from spaces.config import AugmentConfig

_ORDER, _UNTOUCHED, DRAWS, UNLABELLED, DEVICE_DRAWS = range(5)
"""What a generator is for: keeps the streams of one seed apart."""


class Entries:
    """The entries of an epoch: one for each training image, more for images of the rare class (`oversample`).

    The last entries that fill no batch are left out of the epoch, as the batch statistics of a few images mislead;
    where there are fewer entries than `batch_size`, the batch is all of them.

    `augment.original_plus_augmented` joins the untouched and the augmented set, as in report 001, without making an
    epoch longer: half of the entries of an epoch are untouched, the other half augmented, and in the epoch after the
    other way round. Two epochs thus see the joined set once.
    """

    def __init__(self, data: TrialData, augment: AugmentConfig, *, batch_size: int, seed: int):
        self._indices = _indices(data.train, data.facts.rare_class, augment.oversample)
        self._untouched_half, self._seed = augment.original_plus_augmented, seed
        self.batch_size = min(batch_size, len(self._indices))

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return len(self._indices) // self.batch_size

    def epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Of epoch number `epoch`, counted from 0: indices of training images, and whether each is augmented (bool).

        Both are (steps, batch_size), in the order in which they are shown.
        """
        order = generator_for(self._seed, _ORDER, epoch).permutation(len(self._indices))
        shown = order[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)
        return self._indices[shown], self._varied(epoch)[shown]

    def _varied(self, epoch: int) -> np.ndarray:
        """Which entries (bool) are augmented in this epoch."""
        varied = np.ones(len(self._indices), bool)
        if self._untouched_half:
            order = generator_for(self._seed, _UNTOUCHED, epoch // 2).permutation(len(self._indices))
            varied[np.array_split(order, 2)[epoch % 2]] = False
        return varied


def _indices(samples: Samples, rare: int | None, oversample: int) -> np.ndarray:
    """Indices of the images of one epoch: each once, those that hold class `rare` `oversample` times."""
    indices = np.arange(len(samples))
    if rare is None or oversample == 1:
        return indices
    return np.repeat(indices, [oversample if (mask == rare).any() else 1 for mask in samples.masks])


def generator_for(seed: int, *key: int) -> np.random.Generator:
    """A generator of its own for each `key`. (Plain seed sequences would not do: (1, 2) and (1, 2, 0) are one seed.)"""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
