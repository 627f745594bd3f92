"""Pseudo-labels: which pixels get one, which images are shown under them, and trials that train on them."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from search.data.samples import VOID, Samples, TrialData
from search.errors import DataError
from search.training.batches import TrainBatches
from search.training.device import TensorBatch
from search.training.loop import Trial
from search.training.pseudo_labels import (
    Decoding,
    PseudoBatches,
    class_thresholds,
    label_confident,
    log_odds,
    split_outputs,
)
from search.training.sources import UploadedBatches
from search.training.step import GradientStep
from spaces.config import AugmentConfig, PseudoLabels
from spaces.losses import BoundaryTerm, DiceTerm, IgnoreBackground, LossConfig
from spaces.networks import ExpertsConfig
from tests.training.trials import CPU, CROSS_ENTROPY, SMALL, config, curve, data, of_many_sizes, run, scene

SURE = PseudoLabels(threshold=0.0, keep=1.0, warmup=0.0)
"""Every pixel is kept, from the second epoch on."""


def scenes(count: int, height: int = 32, width: int = 64, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W, 1) and the masks that nobody will see."""
    generator = np.random.default_rng(seed)
    pairs = [scene(height, width, generator) for _ in range(count)]
    return np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs])


def with_unlabelled(count: int = 12, images: int = 8) -> TrialData:
    return replace(data(images), unlabelled=scenes(count)[0])


def augment(settings: PseudoLabels = SURE, **changes: object) -> AugmentConfig:
    return AugmentConfig.model_validate({"pseudo_labels": settings, **changes})


class Teacher(nn.Module):
    """A pixel of value v is class v // 50, with logit (v % 50) / 10 over the others; remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[np.ndarray] = []

    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        values = (images[:, 0] * 255).round().long()
        self.shown += list(values.numpy())
        return nn.functional.one_hot(values // 50, 3).movedim(-1, 1) * (values % 50).unsqueeze(1) / 10


def certain(logit: float, classes: int = 3) -> float:
    """The softmax probability of a logit over others of 0."""
    return np.exp(logit) / (np.exp(logit) + classes - 1)


def odds(*probabilities: float) -> np.ndarray:
    return np.array([log_odds(min(value, 0.9999)) for value in probabilities], np.float16)


def probability(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds.astype(np.float64)))


def test_thresholds_are_the_quantile_of_each_class_and_no_lower_than_the_floor() -> None:
    labels = np.array([1] * 10 + [2] * 4 + [0] * 2 + [VOID] * 3, np.uint8)
    sure = odds(*np.arange(0.90, 1.0, 0.01)[:10], 0.55, 0.95, 0.92, 0.97, 0.3, 0.5, 1.0, 1.0, 1.0)
    found = class_thresholds(labels, sure, PseudoLabels(threshold=0.8, keep=0.3))
    found = probability(found)
    assert found[1] == pytest.approx(0.97, abs=1e-4)  # the third best of ten
    assert found[2] == pytest.approx(0.97, abs=1e-4)  # the best of four, 0.3 * 4 rounded
    assert found[0] == pytest.approx(0.8, abs=1e-4)  # the best of two is below the floor
    half = class_thresholds(labels, sure, PseudoLabels(threshold=0.93, keep=1.0))
    half = probability(half)
    assert found.shape == half.shape == (256,)
    assert half[:3] == pytest.approx(np.full(3, 0.93), abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("decoding", [Decoding(), Decoding(one_vs_rest=True)])
def test_a_network_that_is_all_but_certain_still_keeps_the_share_that_is_asked_for(
    decoding: Decoding, dtype: torch.dtype
) -> None:
    """Probabilities of logits from 12 to 30 are 1 to the fifth digit or more."""
    logits = torch.zeros(1, 3, 100, 100)
    logits[:, 1] = torch.rand(100, 100, generator=torch.Generator().manual_seed(0)) * 18 + 12
    labels, sure = decoding(logits.to(dtype))
    lowest = class_thresholds(labels, sure, PseudoLabels(threshold=0.95, keep=0.2))[1]
    assert 0.2 <= (sure >= lowest).mean() < (0.21 if dtype == torch.float32 else 0.26)
    assert logits[0, 1][torch.tensor(sure[0] >= lowest)].min() > 26


def test_confident_pixels_alone_are_labelled_and_each_class_keeps_its_share() -> None:
    soft, hard = np.arange(30, 50), np.arange(50 + 10, 50 + 30)  # class 0 is confident, class 1 hardly
    tiles = Samples(
        images=np.stack([soft, hard])[:, None, :, None].astype(np.uint8), masks=np.zeros((2, 1, 20), np.uint8)
    )
    kept = label_confident(tiles, Teacher(), CPU, Decoding(), PseudoLabels(threshold=0.0, keep=0.25)).masks
    assert [row.tolist() for row in np.asarray(kept)[:, 0]] == [[VOID] * 15 + [0] * 5, [VOID] * 15 + [1] * 5]
    floored = label_confident(tiles, Teacher(), CPU, Decoding(), PseudoLabels(threshold=certain(3.85), keep=1.0)).masks
    assert [row.tolist() for row in np.asarray(floored)[:, 0]] == [[VOID] * 9 + [0] * 11, [VOID] * 20]


def test_padding_takes_no_part() -> None:
    """The padded pixels are the surest of all: they would push all others out of their class's share."""
    images = np.full((1, 4, 4, 1), 20, np.uint8)
    masks = np.zeros((1, 4, 4), np.uint8)
    images[0, :2], masks[0, :2] = 49, VOID
    kept = label_confident(Samples(images=images, masks=masks), Teacher(), CPU, Decoding(), PseudoLabels(threshold=0.0))
    assert (np.asarray(kept.masks)[0] == [[VOID] * 4] * 2 + [[0] * 4] * 2).all()


def test_a_class_is_as_probable_as_its_network_says() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [-3.0, 0.0, -2.0]]).view(2, 3, 1, 1)
    softmax = logits.softmax(1).amax(1).flatten()
    labels, found = Decoding()(logits)
    assert labels.flatten().tolist() == [0, 1]
    assert probability(found.flatten()) == pytest.approx(softmax.numpy(), abs=2e-4)
    labels, found = Decoding(one_vs_rest=True)(logits)
    assert labels.flatten().tolist() == [0, 1]
    assert probability(found.flatten()) == pytest.approx([torch.sigmoid(torch.tensor(2.0)).item(), 0.5], abs=2e-4)
    labels, found = Decoding(one_vs_rest=True, threshold_class=1)(logits)
    assert labels.flatten().tolist() == [0, 1]
    assert probability(found.flatten())[1] == pytest.approx(1 - torch.sigmoid(torch.tensor(-2.0)).item(), abs=2e-4)


def test_a_class_that_the_loss_leaves_out_is_never_given() -> None:
    logits = torch.tensor([[5.0, 0.0, 0.0], [0.0, 5.0, 0.0]]).view(2, 3, 1, 1)
    assert Decoding(unlearned=0)(logits)[0].flatten().tolist() == [VOID, 1]
    ignoring = config(augment=augment(), loss=CROSS_ENTROPY.model_copy(update={"background": IgnoreBackground()}))
    trial = Trial(ignoring, with_unlabelled(), CPU)
    assert trial.pseudo_batches is not None
    (first, *_) = trial.pseudo_batches.epoch(1, Constant(0), trial.batches)
    assert (first.masks == VOID).all()


def test_what_is_no_number_is_not_confident() -> None:
    nothing = torch.full((1, 3, 2, 2), float("nan"))
    for decoding in (Decoding(), Decoding(one_vs_rest=True), Decoding(one_vs_rest=True, threshold_class=0)):
        assert (decoding(nothing)[1] == -np.inf).all()


class Constant(nn.Module):
    """Class `label` everywhere."""

    def __init__(self, label: int) -> None:
        super().__init__()
        self.label = label

    def forward(self, images: Tensor) -> Tensor:
        logits = torch.zeros(len(images), 3, *images.shape[2:])
        logits[:, self.label] = 9.0
        return logits


def numbered(count: int) -> TrialData:
    """Unlabelled image i is i everywhere."""
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 32, 64, 1))
    return replace(data(), unlabelled=images)


def stream(made: TrialData, change: AugmentConfig, *, seed: int = 3) -> tuple[PseudoBatches, UploadedBatches]:
    settings = change.pseudo_labels
    assert settings is not None
    trial = config(augment=change, seed=seed)
    batches = UploadedBatches(TrainBatches(made, change, batch_size=4, seed=seed), CPU.device)
    return PseudoBatches(settings, trial, made, CPU, Decoding()), batches


def drawn(made: TrialData, change: AugmentConfig, epoch: int, *, seed: int = 3) -> list[TensorBatch]:
    pseudo, batches = stream(made, change, seed=seed)
    return list(pseudo.epoch(epoch, Constant(1), batches))


def identities(batches: list[TensorBatch]) -> list[int]:
    return [int(image[0, 0, 0]) for batch in batches for image in batch.images]


def bytes_of(image: Tensor) -> bytes:
    """The bytes of an image (C, H, W), channels last."""
    return image.movedim(0, -1).contiguous().numpy().tobytes()


PLAIN = augment(geometric="none")


def test_an_epoch_shows_as_many_unlabelled_images_as_labelled_ones_and_others_the_next_time() -> None:
    made = numbered(40)  # beside 8 labelled ones in batches of 4
    pseudo, batches = stream(made, PLAIN)
    teacher = Teacher()
    found = list(pseudo.epoch(1, teacher, batches))
    assert [batch.images.shape for batch in found] == [(4, 1, 32, 64)] * 2
    assert [batch.weight for batch in found] == [SURE.weight] * 2
    assert len(set(identities(found))) == len(teacher.shown) == 8
    seen = [set(identities(drawn(made, PLAIN, epoch))) for epoch in range(1, 9)]
    assert all(first != second for first, second in pairwise(seen))
    assert len(set.union(*seen)) > 24


def test_few_unlabelled_images_are_predicted_once_and_shown_several_times() -> None:
    made = numbered(3)
    pseudo, batches = stream(made, PLAIN)
    teacher = Teacher()
    found = list(pseudo.epoch(1, teacher, batches))
    assert len(teacher.shown) == 3
    assert [sorted(identities([batch])) for batch in found] == [[0, 1, 2]] * 2


def test_the_teacher_predicts_before_its_weights_change() -> None:
    pseudo, batches = stream(numbered(3), PLAIN)
    teacher = Constant(1)
    found = pseudo.epoch(1, teacher, batches)
    teacher.label = 2
    assert all((batch.masks == 1).all() for batch in found)


VARIED = augment(
    geometric="complex", photometric=True, mixing="cutmix", copy_paste=1.0, oversample=4, original_plus_augmented=True
)


def test_batches_follow_from_seed_and_epoch_alone() -> None:
    def equal(ours: list[TensorBatch], theirs: list[TensorBatch]) -> bool:
        pairs = zip(ours, theirs, strict=True)
        return all(torch.equal(a.images, b.images) and torch.equal(a.masks, b.masks) for a, b in pairs)

    made = with_unlabelled()
    pseudo, batches = stream(made, VARIED)
    for epoch in (1, 2):
        list(pseudo.epoch(epoch, Constant(1), batches))
    third = list(pseudo.epoch(3, Constant(1), batches))
    assert equal(third, drawn(made, VARIED, 3))
    assert not equal(third, drawn(made, VARIED, 4))
    assert not equal(third, drawn(made, VARIED, 3, seed=4))


def test_pseudo_labelled_images_vary_but_gain_no_class() -> None:
    """No object of another image's true mask is pasted: all that a teacher of soil alone gives is soil."""
    made = with_unlabelled()
    found = drawn(made, VARIED, 1)
    originals = {image.tobytes() for image in made.unlabelled}
    assert all(set(np.unique(batch.masks)) == {1} for batch in found)
    assert not {bytes_of(image) for batch in found for image in batch.images} & originals


def test_images_of_other_sizes_are_cut_and_padded_to_the_training_size() -> None:
    sizes = [(32, 64), (48, 70), (20, 40), (10, 90)]
    images = tuple(np.full((*size, 1), 60, np.uint8) for size in sizes)
    (batch, *_) = drawn(replace(of_many_sizes(), unlabelled=images), PLAIN, 1)
    assert batch.images.shape == (4, 1, 32, 64)
    labelled = sorted(int((mask == 1).sum()) for mask in batch.masks)
    assert labelled == [10 * 64, 20 * 40, 32 * 64, 32 * 64]
    assert set(np.unique(batch.masks)) == {1, VOID}


def test_outputs_of_joined_batches_come_apart_with_their_heads() -> None:
    main, coarse = torch.arange(10.0).view(5, 2, 1, 1), torch.arange(5.0).view(5, 1, 1, 1)
    first, second = split_outputs(main, [3, 2])
    assert torch.equal(torch.cat([first, second]), main)
    (a, b), (c, d) = split_outputs((main, coarse), [3, 2])
    assert torch.equal(torch.cat([a, c]), main)
    assert torch.equal(torch.cat([b, d]), coarse)


@pytest.mark.parametrize(
    "wrong", [{"weight": 0.0}, {"weight": -1}, {"threshold": 1.0}, {"keep": 0.0}, {"keep": 1.5}, {"warmup": 1.0}]
)
def test_settings_that_would_do_nothing_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        PseudoLabels.model_validate(wrong)


@pytest.mark.parametrize(
    ("warmup", "epochs", "first"), [(0.0, 9, 1), (0.1, 27, 3), (0.3, 10, 3), (0.5, 9, 5), (0.1, 30, 3), (0.6, 1, 1)]
)
def test_the_first_epochs_have_none(warmup: float, epochs: int, first: int) -> None:
    assert PseudoLabels(warmup=warmup).first_epoch(epochs) == first


def test_data_without_unlabelled_images_is_refused() -> None:
    with pytest.raises(DataError, match=r"augment\.pseudo_labels needs images without labels, and this data has none"):
        Trial(config(augment=augment()), data(), CPU)


def test_until_they_start_the_curve_is_that_without_them(tmp_path: Path) -> None:
    late = augment(PseudoLabels(threshold=0.5, warmup=0.6))
    plain, _ = run(tmp_path / "plain", config(augment=AugmentConfig()), on=with_unlabelled())
    found, _ = run(tmp_path / "late", config(augment=late), on=with_unlabelled())
    assert curve(found)[:3] == curve(plain)[:3]
    assert [a.train_loss == b.train_loss for a, b in zip(found, plain, strict=True)] == [True] * 3 + [False] * 2


MIXTURE = LossConfig(dice=DiceTerm(weight=0.5), boundary=BoundaryTerm(weight=0.5))
SUPERVISED = SMALL.model_copy(update={"depth": 3, "deep_supervision": 0.4, "dropout": 0.2})
EXPERTS = ExpertsConfig(in_channels=1, classes=3, depth=2, width=4, convs=1, threshold_class=0)
SCHEDULE_FREE = {"algorithm": "schedule_free", "schedule": "constant", "ema_decay": None}
TRIALS = {
    "raw weights": ({"ema_decay": None}, with_unlabelled()),
    "average, heads, boundary": ({"model": SUPERVISED, "loss": MIXTURE}, with_unlabelled()),
    "schedule-free": (SCHEDULE_FREE, with_unlabelled()),
    "experts": ({"model": EXPERTS}, with_unlabelled()),
    "many sizes": ({}, replace(of_many_sizes(0.6), unlabelled=of_many_sizes().train.images)),
}


@pytest.mark.parametrize("name", TRIALS)
def test_a_trial_repeats_itself_interrupted_or_not(tmp_path: Path, name: str) -> None:
    """The teacher of an epoch is the network as it was validated, also in a process that only has its checkpoint."""
    changes, made = TRIALS[name]
    settings = PseudoLabels(threshold=0.4, keep=0.6, warmup=0.0)
    trial = config(augment=augment(settings, geometric="mild", mixing="classmix"), epochs=4, **changes)
    whole, outcome = run(tmp_path / "whole", trial, on=made)
    found = run(tmp_path / "torn", trial, epochs=2, on=made)[0]
    found += run(tmp_path / "torn", trial, epochs=1, known=2, on=made)[0]
    found += run(tmp_path / "torn", trial, known=3, on=made)[0]
    assert curve(found) == curve(whole)
    assert outcome is not None
    assert outcome.kind == "trained"
    weights = [(tmp_path / folder / "best.safetensors").read_bytes() for folder in ("torn", "whole")]
    assert weights[0] == weights[1]


def test_the_loss_is_that_on_labels_and_the_weighted_one_on_pseudo_labels() -> None:
    trial = Trial(config(augment=augment()), with_unlabelled(), CPU)
    trial.model.eval()  # one batch's statistics are then not the other's
    step = trial.step
    assert isinstance(step, GradientStep)
    (first, second) = trial.batches.epoch(0)
    pseudo = replace(second, weight=0.3)
    with torch.no_grad():
        alone = [float(step.loss_of((batch,))) for batch in (first, second)]
        together = float(step.loss_of((first, pseudo)))
    assert together == pytest.approx(alone[0] + 0.3 * alone[1], rel=1e-5)
    empty = replace(pseudo, masks=torch.full_like(pseudo.masks, VOID))
    with torch.no_grad():
        assert float(step.loss_of((first, empty))) == pytest.approx(alone[0], rel=1e-5)
