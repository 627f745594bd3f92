import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search.data.samples import VOID, Samples, TrialData
from search.training.batches import Batch, TrainBatches, fit, to_target, to_tensor
from spaces.config import AugmentConfig
from spaces.facts import DataFacts

SIZE = (16, 24)
ROCK = 2
PLAIN = AugmentConfig(geometric="none")


def read_only(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def terrain(count: int = 40, rocks: int = 3, channels: int = 1) -> TrialData:
    """Image i is i everywhere but for a gradient in its last column; soil (1), with a rock (2) in the first `rocks`."""
    masks = np.ones((count, *SIZE), np.uint8)
    masks[:rocks, 4:8, 5:9] = ROCK
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, *SIZE, channels)).copy()
    images[:, :, -1] = 100 + np.arange(SIZE[0], dtype=np.uint8)[None, :, None]
    return data_of(Samples(images=read_only(images), masks=read_only(masks)), channels)


def data_of(samples: Samples, channels: int = 1) -> TrialData:
    holding = [sum(bool((mask == label).any()) for mask in samples.masks) for label in range(3)]
    facts = DataFacts(
        channels=channels,
        class_names=("nothing", "soil", "rock"),
        background=0,
        ignored=(0,),
        objective=(1, 2),
        height=SIZE[0],
        width=SIZE[1],
        train_images=len(samples),
        validation_images=0,
        class_pixels=tuple(sum(int((mask == label).sum()) for mask in samples.masks) for label in range(3)),
        class_images=tuple(holding),
    )
    return TrialData(train=samples, validation=samples, facts=facts)


def batches(
    config: AugmentConfig = PLAIN, *, data: TrialData | None = None, size: int = 8, seed: int = 0
) -> TrainBatches:
    return TrainBatches(data or terrain(), config, batch_size=size, seed=seed)


def identities(epoch: list[Batch]) -> list[int]:
    """Which images an unaugmented epoch holds, in order."""
    return [int(image[0, 0, 0]) for batch in epoch for image in batch.images]


def equal(ours: list[Batch], theirs: list[Batch]) -> bool:
    return len(ours) == len(theirs) and all(
        np.array_equal(a.images, b.images) and np.array_equal(a.masks, b.masks)
        for a, b in zip(ours, theirs, strict=True)
    )


EVERYTHING = AugmentConfig(
    geometric="complex", photometric=True, mixing="classmix", copy_paste=0.5, oversample=2, original_plus_augmented=True
)


def test_an_epoch_holds_every_image_once_in_another_order():
    source = batches()
    first, second = list(source.epoch(0)), list(source.epoch(1))
    assert source.steps == len(first) == 5
    assert all(batch.images.shape == (8, *SIZE, 1) and batch.masks.shape == (8, *SIZE) for batch in first)
    assert sorted(identities(first)) == sorted(identities(second)) == list(range(40))
    assert identities(first) != identities(second)


def test_images_that_fill_no_batch_wait_for_another_epoch():
    source = batches(size=32)
    assert source.steps == 1
    left_out = [set(range(40)) - set(identities(list(source.epoch(epoch)))) for epoch in range(5)]
    assert all(len(indices) == 8 for indices in left_out)
    assert len(set.union(*left_out)) > 16


def test_fewer_images_than_a_batch_are_one_batch():
    source = batches(data=terrain(5, rocks=0), size=16)
    assert source.steps == 1
    assert sorted(identities(list(source.epoch(0)))) == [0, 1, 2, 3, 4]


def test_unaugmented_batches_are_the_data():
    data = terrain(channels=3)
    for batch in batches(data=data).epoch(2):
        indices = batch.images[:, 0, 0, 0].astype(int)
        np.testing.assert_array_equal(batch.images, data.train.images[indices])
        np.testing.assert_array_equal(batch.masks, data.train.masks[indices])


@pytest.mark.parametrize("config", [PLAIN, AugmentConfig(geometric="mild", mixing="cutmix"), EVERYTHING])
def test_any_epoch_follows_from_the_seed_alone(config):
    travelled, fresh = batches(config), batches(config)
    for epoch in range(3):
        list(travelled.epoch(epoch))
    interleaved = [pair[0] for pair in zip(travelled.epoch(3), travelled.epoch(7), strict=True)]
    assert equal(interleaved, list(fresh.epoch(3)))
    assert not equal(interleaved, list(fresh.epoch(4)))
    assert not equal(interleaved, list(batches(config, seed=1).epoch(3)))


def test_batches_and_epochs_draw_differently():
    """All images are one, so that two batches are equal only if their draws are."""
    images = np.broadcast_to(np.arange(SIZE[1], dtype=np.uint8)[None, None, :, None] * 9, (64, *SIZE, 1)).copy()
    source = batches(
        AugmentConfig(geometric="mild"), data=data_of(Samples(images=images, masks=np.ones((64, *SIZE), np.uint8)))
    )
    drawn = [batch.images.tobytes() for epoch in range(4) for batch in source.epoch(epoch)]
    assert len(set(drawn)) == len(drawn) == 32


def test_oversampling_repeats_the_images_that_hold_the_rare_class():
    source = batches(AugmentConfig(geometric="none", oversample=4), size=7)
    seen = identities(list(source.epoch(0)))
    assert len(seen) == 49 == 37 + 3 * 4
    assert [seen.count(index) for index in range(4)] == [4, 4, 4, 1]


def test_oversampling_without_a_rare_class_has_no_effect():
    data = terrain(rocks=10)
    assert data.facts.rare_class is None
    config = AugmentConfig(geometric="none", oversample=4, copy_paste=1.0)
    assert equal(list(batches(config, data=data).epoch(0)), list(batches(data=data).epoch(0)))


@pytest.mark.parametrize("mixing", ["none", "cutmix", "classmix"])
@pytest.mark.parametrize("epoch", [0, 6])
def test_original_plus_augmented_is_seen_once_in_two_epochs(mixing, epoch):
    """Copy-paste changes each augmented mask of soil, and nothing ever changes an untouched one."""
    data = terrain(count=41, rocks=3)
    config = AugmentConfig(geometric="none", copy_paste=1.0, original_plus_augmented=True, mixing=mixing)
    source = batches(config, data=data, size=41)
    untouched = []
    for number in (epoch, epoch + 1):
        (batch,) = source.epoch(number)
        originals = {
            image.tobytes() + mask.tobytes() for image, mask in zip(data.train.images, data.train.masks, strict=True)
        }
        pairs = zip(batch.images, batch.masks, strict=True)
        untouched.append(
            [int(image[0, 0, 0]) for image, mask in pairs if image.tobytes() + mask.tobytes() in originals]
        )
    assert sorted(map(len, untouched)) == [20, 21]
    assert sorted(untouched[0] + untouched[1]) == list(range(41))


def test_copy_paste_multiplies_rare_pixels():
    plain, pasted = (
        sum(int((batch.masks == ROCK).sum()) for batch in batches(config).epoch(0))
        for config in (PLAIN, AugmentConfig(geometric="none", copy_paste=0.5))
    )
    assert plain == 3 * 16
    assert pasted > 4 * plain


@pytest.mark.parametrize("mixing", ["cutmix", "classmix"])
def test_half_of_the_batches_are_mixed(mixing):
    data = terrain(rocks=40)
    source = batches(AugmentConfig(geometric="none", mixing=mixing), data=data)
    mixed = [
        not np.array_equal(batch.images, data.train.images[batch.images[:, 0, 0, 0].astype(int)])
        for epoch in range(20)
        for batch in source.epoch(epoch)
    ]
    assert 30 < sum(mixed) < 70


def test_classmix_never_pastes_the_background():
    """Every mask is half background, each in another place: one with more than that had some pasted in."""
    half = np.repeat(np.array([0, 1], np.uint8), SIZE[1] // 2)
    masks = np.stack([np.broadcast_to(np.roll(half, 3 * shift), SIZE) for shift in range(8)])
    data = data_of(Samples(images=masks[..., None], masks=masks))
    source = batches(AugmentConfig(geometric="none", mixing="classmix"), data=data)
    background = [(batch.masks == 0).sum((1, 2)) for epoch in range(10) for batch in source.epoch(epoch)]
    assert np.max(background) == masks[0].size // 2
    assert np.min(background) < masks[0].size // 2


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40), width=st.integers(1, 60), channels=st.sampled_from([1, 4]), seed=st.integers(0, 2**32)
)
def test_fit_crops_and_pads_to_the_size(height, width, channels, seed):
    mask = (np.arange(height * width).reshape(height, width) % 200).astype(np.uint8)
    image, fitted = fit(np.repeat(mask[..., None], channels, axis=2), mask, SIZE, np.random.default_rng(seed))
    assert image.shape == (*SIZE, channels)
    assert fitted.shape == SIZE
    labelled = fitted != VOID
    assert labelled.sum() == min(height, SIZE[0]) * min(width, SIZE[1])
    np.testing.assert_array_equal(image[labelled, 0], fitted[labelled])
    assert set(np.unique(image)) <= set(np.unique(mask))


def test_images_of_other_sizes_become_batches():
    generator = np.random.default_rng(0)
    sizes = [(16, 24), (10, 50), (30, 12), (5, 5), (64, 64), (16, 25), (17, 24), (1, 1)]
    images = tuple(read_only(generator.integers(0, 256, (*size, 3), np.uint8)) for size in sizes)
    masks = tuple(read_only(generator.integers(0, 3, size, np.uint8)) for size in sizes)
    source = batches(
        AugmentConfig(geometric="complex", photometric=True), data=data_of(Samples(images=images, masks=masks), 3)
    )
    (batch,) = source.epoch(0)
    assert batch.images.shape == (8, *SIZE, 3)
    assert set(np.unique(batch.masks)) == {0, 1, 2, VOID}
    assert equal([batch], list(source.epoch(0)))


@pytest.mark.parametrize("channels", [1, 3])
def test_to_tensor_scales_and_moves_channels_first(channels):
    images = read_only(np.random.default_rng(0).integers(0, 256, (2, *SIZE, channels), np.uint8))
    tensor = to_tensor(images)
    assert tensor.dtype == torch.float32
    assert tensor.shape == (2, channels, *SIZE)
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(tensor.permute(0, 2, 3, 1).numpy(), images / 255, rtol=1e-6)


def test_to_target_keeps_void():
    masks = read_only(np.array([[[0, 4, VOID]]], np.uint8))
    target = to_target(masks)
    assert target.dtype == torch.int64
    assert target.tolist() == [[[0, 4, 255]]]
