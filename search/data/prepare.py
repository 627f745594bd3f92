"""From a path to what trials train on: read, audit, clean, split, scale. The locked test part stays behind."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from search.data.audit import Audit, audit, clean
from search.data.dataset import SegmentationData
from search.data.demo import demo_data
from search.data.facts import find_facts
from search.data.form import DataForm
from search.data.initial_weights import InitialWeights
from search.data.input_size import InputSize, choose_input_size, shrink_samples
from search.data.read import read_data
from search.data.samples import TrialData
from search.data.split import FRACTIONS, Fractions, Split, split
from search.data.stratification import Stratification
from search.data.unlabelled import NONE, Unlabelled, find_unlabelled
from spaces.facts import DataFacts


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """A data set ready for trials, and the record of how it became so. Holds no image of the locked test part.

    `form` says how files became these arrays. `pretrained` is where networks start, as in `TrialConfig`; the weights
    themselves are in `trial`.
    """

    trial: TrialData
    audit: Audit
    split: Split
    form: DataForm
    pretrained: str = "none"
    unlabelled: Unlabelled = NONE

    @property
    def facts(self) -> DataFacts:
        """What a search space may know of the data."""
        return self.trial.facts

    def starting_from(self, start: InitialWeights) -> Self:
        """The same data with the weights that networks start from."""
        return replace(self, pretrained=start.pretrained, trial=replace(self.trial, initial_weights=start.weights))

    def without_unlabelled(self) -> Self:
        """The same data without the images that have no labels, for trials that have no use for them.

        What is known of them stays: they were there.
        """
        return replace(self, unlabelled=replace(self.unlabelled, images=()), trial=replace(self.trial, unlabelled=()))

    @property
    def fingerprint(self) -> str:
        """sha256 of the labelled data as read, whatever its path."""
        return self.audit.fingerprint

    @property
    def unlabelled_fingerprint(self) -> str | None:
        """sha256 of the images without labels that trials may see, None where there are none."""
        return self.unlabelled.fingerprint

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that must be shown: the audit's, then the split's, then those about images without labels."""
        return self.audit.warnings + self.split.warnings + self.unlabelled.warnings


def prepare_data(
    path: Path | None,
    *,
    seed: int,
    input_size: tuple[int, int] | None = None,
    fractions: Fractions = FRACTIONS,
    stratify: Stratification = "presence",
) -> PreparedData:
    """Read, audit, clean and split the data at `path`; None stands for the generated demo set.

    `seed` decides the split alone. `input_size` (height, width) as in `choose_input_size`, `stratify` as in `split`.
    Raises DataError.
    """
    data = demo_data() if path is None else read_data(path)
    report = audit(data)
    cleaned = clean(data, report)
    chosen = split(cleaned, report, seed=seed, fractions=fractions, stratify=stratify)
    held_out = cleaned.samples([*chosen.indices("validation"), *chosen.indices("test")])
    size = training_size(cleaned, chosen, input_size)
    unlabelled = find_unlabelled(path, cleaned, held_out.images, size.scale)
    trial = trial_data(cleaned, chosen, size, unlabelled.images)
    report = report.model_copy(update={"unlabelled": unlabelled.found})
    form = DataForm.of(data, size.scale)
    return PreparedData(trial=trial, audit=report, split=chosen, form=form, unlabelled=unlabelled)


def trial_data(
    data: SegmentationData,
    split: Split,
    size: InputSize,
    unlabelled: Sequence[np.ndarray] | np.ndarray = (),
) -> TrialData:
    """Train and validation of a split: training images at the training scale, validation images native.

    `unlabelled` images are at the training scale already.
    """
    train, validation = (data.samples(split.indices(part)) for part in ("train", "validation"))
    train = shrink_samples(train, size.scale)
    facts = find_facts(data, train, validation, size, len(unlabelled))
    return TrialData(train=train, validation=validation, facts=facts, scale=size.scale, unlabelled=unlabelled)


def training_size(data: SegmentationData, split: Split, requested: tuple[int, int] | None) -> InputSize:
    """The size at which networks train, from the sizes of the training and validation images alone."""
    return choose_input_size(data.sizes[[*split.indices("train"), *split.indices("validation")]], requested)
