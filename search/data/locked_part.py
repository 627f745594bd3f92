"""The locked test part: read only when an answer is measured on it, and when all is trained on in the end."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from search.data.audit import clean
from search.data.dataset import SegmentationData
from search.data.demo import demo_data
from search.data.facts import find_facts
from search.data.input_size import InputSize, shrink_samples
from search.data.prepare import PreparedData
from search.data.read import read_data
from search.data.samples import Samples, TrialData
from search.errors import DataError
from search.hashes import short_hash


@dataclass(frozen=True, kw_only=True)
class LockedPart:
    """Images and masks at native size, and the group (N,) of each image: what belongs together has one name."""

    samples: Samples
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.samples)


def has_locked_part(prepared: PreparedData) -> bool:
    """Whether any image was put aside."""
    return len(prepared.split.indices("test")) > 0


def read_locked_part(path: Path | None, prepared: PreparedData) -> LockedPart:
    """The test part of the data at `path` (None: the demo set) as `prepared` split it. Raises DataError."""
    data = read_again(path, prepared)
    indices = prepared.split.indices("test")
    return LockedPart(samples=data.samples(indices), groups=np.array(prepared.split.groups)[indices])


def read_again(path: Path | None, prepared: PreparedData) -> SegmentationData:
    """The cleaned data at `path` (None: the demo set). Raises DataError where it is no more what `prepared` was of."""
    data = demo_data() if path is None else read_data(path)
    if data.fingerprint != prepared.fingerprint:
        raise DataError(
            f"{path} has changed since this command began to train (fingerprint {short_hash(prepared.fingerprint)} "
            f"then, {short_hash(data.fingerprint)} now), so that nothing can be measured on it: bring the data back as "
            "it was, and give the same command again; what was trained is kept"
        )
    return clean(data, prepared.audit)


def read_all_parts(path: Path | None, prepared: PreparedData) -> TrialData:
    """The data of `prepared` with every labelled image in the training part, validation and test part included.

    The validation part stays what it was, and what is measured on it then means nothing. Raises DataError.
    """
    data = read_again(path, prepared)
    trial, facts = prepared.trial, prepared.facts
    size = InputSize(height=facts.height, width=facts.width, scale=trial.scale)
    train = shrink_samples(data.samples(range(len(data))), size.scale)
    found = find_facts(data, train, trial.validation, size, facts.unlabelled_images)
    return replace(trial, train=train, facts=found)
