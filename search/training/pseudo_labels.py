"""Pseudo-labels: images without labels under what the network itself predicts of them where it is confident.

Self-training within one trial. At the start of an epoch the teacher, which is the network as it was last validated,
labels a tile of each unlabelled image that the epoch will show; each training batch is then joined by a batch of these.
All draws follow from (seed, epoch, batch) and the teacher from the checkpoint, so that a resumed trial goes on as if
nothing had been.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from search.data.samples import VOID, Samples, TrialData
from search.errors import DataError
from search.training.batches import TrainBatches, fit
from search.training.compute import Compute
from search.training.device import TensorBatch
from search.training.entries import UNLABELLED, generator_for
from search.training.metrics import most_likely
from search.training.sources import BatchSource, on_device
from search.training.validation import logits_of
from spaces.config import PseudoLabels, TrialConfig
from spaces.networks import ExpertsConfig


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How a network's logits become classes: as its validation decodes them, with the log-odds of each.

    `threshold_class` is what remains where no one-vs-rest expert is confident. `unlearned` is the class that the loss
    leaves out: the network was never taught it, so no pixel is given to it.
    """

    one_vs_rest: bool = False
    threshold_class: int | None = None
    unlearned: int | None = None

    @classmethod
    def of(cls, config: TrialConfig, unlearned: int | None) -> Self:
        """The decoding of a trial's network."""
        threshold = config.model.threshold_class if isinstance(config.model, ExpertsConfig) else None
        return cls(one_vs_rest=config.model.one_vs_rest, threshold_class=threshold, unlearned=unlearned)

    def __call__(self, logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Classes (N, H, W) uint8 of logits (N, K, H, W), and the log-odds log(p / (1 - p)) of each, (N, H, W) float16.

        Log-odds tell apart what is all but certain, where probabilities are 1. p is a softmax, or of experts the
        sigmoid of their calibrated logit; the threshold class, whose logit is always 0, is as probable as that the
        likeliest of the other classes is not there. What is no number has log-odds of minus infinity.
        """
        classes = most_likely(logits)
        odds = self._log_odds(logits.float(), classes[:, None])
        labels = classes.to(torch.uint8).cpu().numpy()
        if self.unlearned is not None:
            labels[labels == self.unlearned] = VOID
        return labels, odds.nan_to_num(-torch.inf, torch.inf, -torch.inf).half().cpu().numpy()

    def _log_odds(self, logits: Tensor, classes: Tensor) -> Tensor:
        """(N, H, W) of logits (N, K, H, W) for classes (N, 1, H, W)."""
        own = logits.gather(1, classes)[:, 0]
        others = logits.scatter(1, classes, -torch.inf)
        if not self.one_vs_rest:
            return own - others.logsumexp(1)
        return (
            own
            if self.threshold_class is None
            else torch.where(classes[:, 0] == self.threshold_class, -others.amax(1), own)
        )


class PseudoBatches:
    """Batches of unlabelled images with pseudo-labels, as many an epoch as there are training batches.

    Images vary as training images do, mixing included, and are always augmented; objects of the rare class are not
    pasted into them, and none is shown more often than another.
    """

    def __init__(
        self, settings: PseudoLabels, config: TrialConfig, data: TrialData, compute: Compute, decoding: Decoding
    ) -> None:
        self._settings, self._seed, self._data = settings, config.seed, data
        self._compute, self._decoding = compute, decoding
        self._first_epoch = settings.first_epoch(config.budget.max_epochs)
        plain = {"copy_paste": 0.0, "oversample": 1, "original_plus_augmented": False, "pseudo_labels": None}
        self._augment = config.augment.model_copy(update=plain)

    def begun(self, epoch: int) -> bool:
        """Whether epoch number `epoch`, counted from 0, has pseudo-labels."""
        return epoch >= self._first_epoch

    def epoch(self, epoch: int, teacher: nn.Module, labelled: BatchSource) -> Iterator[TensorBatch]:
        """A batch for each of `labelled`, of at most its size, for epoch number `epoch`.

        `teacher` predicts at once, before its weights change, and is left in evaluation mode. It predicts no more
        images than the epoch shows: where there are more, others the next time; where there are fewer, each is shown
        several times, differently augmented.
        """
        generator = generator_for(self._seed, UNLABELLED, epoch)
        tiles = self._tiles(labelled.steps * labelled.batch_size, generator)
        samples = label_confident(tiles, teacher, self._compute, self._decoding, self._settings)
        source = TrainBatches(
            replace(self._data, train=samples),
            self._augment,
            batch_size=labelled.batch_size,
            seed=int(generator.integers(2**63)),
        )
        batches = chain.from_iterable(source.epoch(turn) for turn in count())
        weighted = (replace(batch, weight=self._settings.weight) for batch in islice(batches, labelled.steps))
        return (on_device(batch, self._compute.device) for batch in weighted)

    def _tiles(self, most: int, generator: np.random.Generator) -> Samples:
        """A tile of the training size of at most `most` images; masks are 0, and VOID where the image was padded."""
        images, facts = self._data.unlabelled, self._data.facts
        chosen = generator.permutation(len(images))[:most]
        blank = (np.zeros(images[index].shape[:2], np.uint8) for index in chosen)
        pairs = [
            fit(images[index], mask, (facts.height, facts.width), generator)
            for index, mask in zip(chosen, blank, strict=True)
        ]
        return Samples(images=tuple(image for image, _ in pairs), masks=np.stack([mask for _, mask in pairs]))


def build_pseudo_batches(
    config: TrialConfig, data: TrialData, compute: Compute, unlearned: int | None
) -> PseudoBatches | None:
    """The pseudo-labels that `config` asks for, None where it asks for none; `unlearned` as in `Decoding`.

    Raises DataError where the data has no images without labels.
    """
    settings = config.augment.pseudo_labels
    if settings is None:
        return None
    if not len(data.unlabelled):
        raise DataError(
            "augment.pseudo_labels needs images without labels, and this data has none: add test_set to the npz file "
            "or a folder unlabelled/ beside images/, or drop augment.pseudo_labels"
        )
    return PseudoBatches(settings, config, data, compute, Decoding.of(config, unlearned))


def label_confident(
    tiles: Samples, teacher: nn.Module, compute: Compute, decoding: Decoding, settings: PseudoLabels
) -> Samples:
    """`tiles` with the teacher's classes where it is confident, else `VOID`; what is VOID in their masks stays it."""
    labels, odds = predict(tiles.images, teacher, compute, decoding)
    labels[np.asarray(tiles.masks) == VOID] = VOID
    labels[odds < class_thresholds(labels, odds, settings)[labels]] = VOID
    return Samples(images=tiles.images, masks=labels)


@torch.no_grad()
def predict(
    images: Sequence[np.ndarray] | np.ndarray, teacher: nn.Module, compute: Compute, decoding: Decoding
) -> tuple[np.ndarray, np.ndarray]:
    """Classes (N, H, W) uint8 of images (H, W, C) uint8 of one size, and the log-odds of each, float16."""
    teacher.eval()
    shape = (len(images), *images[0].shape[:2])
    labels, odds = np.empty(shape, np.uint8), np.empty(shape, np.float16)
    for part, logits in logits_of(teacher, images, compute):
        labels[part], odds[part] = decoding(logits)
    return labels, odds


def class_thresholds(labels: np.ndarray, odds: np.ndarray, settings: PseudoLabels) -> np.ndarray:
    """The lowest log-odds at which a label is kept, for each value of a uint8 label: (256,) float16.

    For each class those of its `keep` most confident pixels, and at least those of `threshold` (Zou et al. 2018, with
    the floor of Lee 2013). Pixels of equal log-odds stay together, so that a share may come out a little larger.
    """
    thresholds = np.full(VOID + 1, log_odds(settings.threshold), np.float16)
    for label in np.setdiff1d(labels, [VOID]):
        own = odds[labels == label]
        dropped = len(own) - max(1, round(settings.keep * len(own)))
        thresholds[label] = max(thresholds[label], np.partition(own, dropped)[dropped])
    return thresholds


def log_odds(probability: float) -> float:
    """log(p / (1 - p)) of a probability p below 1."""
    return math.log(probability / (1 - probability)) if probability else -math.inf


def split_outputs(outputs: Tensor | tuple[Tensor, ...], sizes: Sequence[int]) -> Sequence[Tensor | tuple[Tensor, ...]]:
    """What a network gave for joined batches of these sizes, apart again: logits, or logits with auxiliary heads."""
    if isinstance(outputs, Tensor):
        return list(outputs.split(list(sizes)))
    return list(zip(*(head.split(list(sizes)) for head in outputs), strict=True))
