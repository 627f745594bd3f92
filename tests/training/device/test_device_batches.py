"""Epochs on the device: the entries of the CPU path, and a pure function of data, configuration, seed and epoch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from search.training.batches import TrainBatches
from search.training.device import DeviceBatches, TensorBatch, batches
from spaces.config import AugmentConfig
from tests.training.device.library import data_of, regions, texture

SIZE = (20, 30)
COUNT = 41
ROCK = 4
CPU = torch.device("cpu")


def terrain():
    """Image i is i everywhere but for a texture in its right half; a rock in the first four."""
    images = texture(COUNT, SIZE, channels=2)
    images[:, :, :15] = np.arange(COUNT, dtype=np.uint8)[:, None, None, None]
    masks = regions(COUNT, SIZE) % 3 + 1
    masks[:4, 4:8, 5:9] = ROCK
    return data_of(images, masks.astype(np.uint8), rare=ROCK)


DATA = terrain()
EVERYTHING = AugmentConfig(
    geometric="complex", photometric=True, vertical_flip=True, strength=1.2,
    mixing="classmix", copy_paste=0.5, oversample=3, original_plus_augmented=True,
)  # fmt: skip
CUTMIX = AugmentConfig(geometric="mild", mixing="cutmix", copy_paste=0.3)
PLAIN = AugmentConfig(geometric="none")


def source(config: AugmentConfig = PLAIN, *, size: int = 8, seed: int = 0) -> DeviceBatches:
    return DeviceBatches(DATA, config, batch_size=size, seed=seed, device=CPU)


def equal(ours: list[TensorBatch], theirs: list[TensorBatch]) -> bool:
    assert len(ours) == len(theirs) > 0
    return all(
        torch.equal(a.images, b.images) and torch.equal(a.masks, b.masks) for a, b in zip(ours, theirs, strict=True)
    )


def test_batches_have_the_documented_shapes_and_types():
    for batch in source(EVERYTHING).epoch(0):
        assert batch.images.shape == (8, 2, *SIZE)
        assert batch.masks.shape == (8, *SIZE)
        assert batch.images.dtype == batch.masks.dtype == torch.uint8
        assert batch.weight == 1.0


@pytest.mark.parametrize("size", [8, 41, 100])
@pytest.mark.parametrize("oversample", [1, 3])
def test_unaugmented_epochs_are_the_batches_of_the_cpu(size, oversample):
    config = AugmentConfig(geometric="none", oversample=oversample)
    ours, theirs = source(config, size=size), TrainBatches(DATA, config, batch_size=size, seed=0)
    assert (ours.steps, ours.batch_size) == (theirs.steps, theirs.batch_size)
    for epoch in (0, 5):
        for batch, expected in zip(ours.epoch(epoch), theirs.epoch(epoch), strict=True):
            np.testing.assert_array_equal(batch.images.permute(0, 2, 3, 1), expected.images)
            np.testing.assert_array_equal(batch.masks, expected.masks)


@pytest.mark.parametrize("mixing", ["none", "cutmix", "classmix"])
def test_the_same_entries_are_untouched_as_on_the_cpu(mixing):
    """Where nothing but copy-paste changes masks, and it changes each augmented one."""
    config = AugmentConfig(geometric="none", copy_paste=1.0, original_plus_augmented=True, mixing=mixing)
    ours, theirs = source(config), TrainBatches(DATA, config, batch_size=8, seed=0)
    plain = TrainBatches(DATA, PLAIN, batch_size=8, seed=0)
    for epoch in range(4):
        for batch, library, original in zip(ours.epoch(epoch), theirs.epoch(epoch), plain.epoch(epoch), strict=True):
            images = batch.images.permute(0, 2, 3, 1).numpy()
            assert same_images(images, original.images) == same_images(library.images, original.images)


def same_images(images: np.ndarray, others: np.ndarray) -> list[bool]:
    return (images == others).all((1, 2, 3)).tolist()


@pytest.mark.parametrize("config", [PLAIN, CUTMIX, EVERYTHING])
def test_any_epoch_follows_from_the_seed_alone(config):
    travelled, fresh = source(config), source(config)
    for epoch in range(3):
        list(travelled.epoch(epoch))
    interleaved = [pair[0] for pair in zip(travelled.epoch(3), travelled.epoch(7), strict=True)]
    assert equal(interleaved, list(fresh.epoch(3)))
    assert not equal(interleaved, list(fresh.epoch(4)))
    assert not equal(interleaved, list(source(config, seed=1).epoch(3)))


@pytest.mark.parametrize("config", [CUTMIX, EVERYTHING])
@pytest.mark.parametrize("size", [1, 3, 8])
def test_an_epoch_is_the_same_in_chunks_of_any_number_of_batches(monkeypatch, config, size):
    whole = list(source(config, size=size).epoch(2))
    for several in (1, 2, 3):
        monkeypatch.setattr(batches, "CHUNK_PIXELS", several * size * SIZE[0] * SIZE[1])
        assert equal(list(source(config, size=size).epoch(2)), whole)


def test_batches_and_epochs_draw_differently():
    """All images are one, so that two images are equal only if their draws are."""
    images, masks = texture(1, SIZE).repeat(64, 0), regions(1, SIZE).repeat(64, 0)
    config = AugmentConfig(geometric="complex", photometric=True, strength=1)
    made = DeviceBatches(data_of(images, masks), config, batch_size=8, seed=0, device=CPU)
    drawn = [image.numpy().tobytes() for epoch in range(4) for batch in made.epoch(epoch) for image in batch.images]
    assert len(drawn) == 256
    assert len(set(drawn)) > 230  # about 1 in 40 is left as it is


def test_noise_differs_between_epochs_and_seeds():
    """The first noisy images of epochs of grey images are not alike."""
    grey = np.full((40, *SIZE, 1), 128, np.uint8)
    data, config = data_of(grey, regions(40, SIZE)), AugmentConfig(geometric="none", photometric=True)
    first = []
    for seed, epoch in ((0, 0), (0, 1), (0, 2), (1, 0)):
        (batch,) = DeviceBatches(data, config, batch_size=40, seed=seed, device=CPU).epoch(epoch)
        values = batch.images.float().flatten(1)
        first.append(next(each for each in values if each.std() > 1).numpy())
    assert np.abs(np.corrcoef(first) - np.eye(4)).max() < 0.2


def test_an_epochs_batches_are_of_the_data_and_leave_it_alone():
    made = source(EVERYTHING)
    before = list(source(PLAIN).epoch(0))
    for epoch in range(3):
        for batch in made.epoch(epoch):
            batch.images.zero_()
            batch.masks.zero_()
    assert equal(list(source(PLAIN).epoch(0)), before)
    assert not equal([*made.epoch(3)], [*made.epoch(4)])


def test_copy_paste_reaches_its_share_of_the_images():
    shares = []
    for share in (0.0, 0.3, 1.0):
        config = AugmentConfig(geometric="none", copy_paste=share)
        made = source(config, size=41)
        shares.append(
            np.mean([(batch.masks == ROCK).any(2).any(1).float().mean() for e in range(20) for batch in made.epoch(e)])
        )
    assert shares[0] == pytest.approx(4 / 41)
    assert abs(shares[1] - (4 + 37 * 0.3) / 41) < 0.06
    assert shares[2] == 1


@pytest.mark.parametrize("mixing", ["cutmix", "classmix"])
def test_half_of_the_batches_are_mixed(mixing):
    made, plain = source(AugmentConfig(geometric="none", mixing=mixing)), source()
    mixed = [
        not torch.equal(batch.images, original.images)
        for epoch in range(20)
        for batch, original in zip(made.epoch(epoch), plain.epoch(epoch), strict=True)
    ]
    assert 30 < sum(mixed) < 70


@pytest.mark.parametrize("geometric", ["none", "flip", "mild", "complex"])
def test_strength_zero_leaves_only_flips(geometric):
    config = AugmentConfig(geometric=geometric, photometric=True, strength=0)
    for batch, original in zip(source(config).epoch(1), source().epoch(1), strict=True):
        for image, mask, before, labels in zip(batch.images, batch.masks, original.images, original.masks, strict=True):
            kept = torch.equal(image, before) and torch.equal(mask, labels)
            flipped = torch.equal(image, before.flip(2)) and torch.equal(mask, labels.flip(1))
            assert kept or (flipped and geometric != "none")


def test_labels_are_never_invented():
    for epoch in range(3):
        for batch in source(EVERYTHING).epoch(epoch):
            assert set(batch.masks.unique().tolist()) <= {1, 2, 3, ROCK}


def test_images_of_another_size_than_the_networks_are_refused():
    images, masks = texture(COUNT, (10, 30)), regions(COUNT, (10, 30))
    other = replace(data_of(images, masks), facts=DATA.facts)
    with pytest.raises(AssertionError, match=r"not of the training size \(20, 30\)"):
        DeviceBatches(other, PLAIN, batch_size=8, seed=0, device=CPU)


def test_images_may_come_one_by_one():
    """As the tiles of pseudo-labels do."""
    train = replace(DATA.train, images=tuple(DATA.train.images))
    made = DeviceBatches(replace(DATA, train=train), CUTMIX, batch_size=8, seed=0, device=CPU)
    assert equal(list(made.epoch(1)), list(source(CUTMIX).epoch(1)))
