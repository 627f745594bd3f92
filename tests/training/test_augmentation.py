import os

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.training.augmentation import Augmentation, build_augmentation
from spaces.config import AugmentConfig

HEIGHT, WIDTH = 48, 96
CHANNEL_COUNTS = [1, 2, 3, 4, 7]
GEOMETRICS = ["none", "flip", "mild", "complex"]


def labelled_image(channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A mask of five unequal regions without symmetry, and an image that shows each label as 50 times its value."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, 40:] = 1
    mask[30:] = 2
    mask[5:20, 10:30] = 3
    cv2.circle(mask, (70, 20), 12, 4, -1)
    return np.repeat((mask * 50)[..., None], channels, axis=2), mask


def draws(augmentation: Augmentation, seed: int, count: int, channels: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    augmentation.reseed(seed)
    return [augmentation(*labelled_image(channels)) for _ in range(count)]


def same(ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray]) -> bool:
    return np.array_equal(ours[0], theirs[0]) and np.array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("geometric", GEOMETRICS)
@pytest.mark.parametrize("axis", [0, 1])
def test_image_and_mask_move_together(geometric, axis):
    """Image and mask are the same ramp, so that a shift by a pixel shows anywhere, mirrored borders included."""
    mask = np.indices((HEIGHT, WIDTH), np.uint8)[axis]
    augmentation = build_augmentation(AugmentConfig(geometric=geometric, strength=2, vertical_flip=True))
    augmentation.reseed(0)
    for _ in range(60):
        moved_image, moved_mask = augmentation(mask[..., None], mask)
        difference = moved_image[..., 0].astype(int) - moved_mask
        assert np.abs(difference).max() <= 2
        assert abs(difference.mean()) < 0.1


@settings(max_examples=30, deadline=None)
@given(
    geometric=st.sampled_from(GEOMETRICS),
    photometric=st.booleans(),
    strength=st.one_of(st.floats(0, 2), st.sampled_from([0.0, 1e-9, 1e-3, 2.0])),
    label=st.integers(0, 4),
    seed=st.integers(0, 2**63 - 1),
)
def test_no_label_and_no_border_is_invented(geometric, photometric, strength, label, seed):
    augmentation = build_augmentation(AugmentConfig(geometric=geometric, photometric=photometric, strength=strength))
    augmentation.reseed(seed)
    image, mask = labelled_image()
    moved_image, moved_mask = augmentation(image, mask)
    assert moved_image.shape == image.shape
    assert moved_image.dtype == moved_mask.dtype == np.uint8
    assert set(np.unique(moved_mask)) <= set(range(5))
    assert (augmentation(image, np.full_like(mask, label))[1] == label).all()


@pytest.mark.parametrize("config", [AugmentConfig(geometric=g, photometric=True) for g in GEOMETRICS])
def test_the_seed_alone_decides_the_draws(config):
    first, second = build_augmentation(config), build_augmentation(config)
    draws(second, 99, 7)
    assert all(map(same, draws(first, 5, 20), draws(second, 5, 20)))
    assert not all(map(same, draws(first, 5, 20), draws(first, 6, 20)))


def test_images_of_one_batch_get_different_draws():
    results = draws(build_augmentation(AugmentConfig(geometric="mild")), 0, 30)
    assert len({image.tobytes() for image, _ in results}) > 12


def test_flips_are_independent_and_even():
    image, mask = labelled_image()
    augmentation = build_augmentation(AugmentConfig(geometric="flip", vertical_flip=True))
    counts = np.zeros((2, 2), int)
    for result in draws(augmentation, 0, 400):
        matches = [
            (across, down)
            for across in (0, 1)
            for down in (0, 1)
            if same(result, (image[:: 1 - 2 * down, :: 1 - 2 * across], mask[:: 1 - 2 * down, :: 1 - 2 * across]))
        ]
        assert len(matches) == 1
        counts[matches[0]] += 1
    assert counts.min() > 70  # 100 expected, standard deviation 8.7


@pytest.mark.parametrize("geometric", GEOMETRICS)
def test_strength_zero_leaves_only_flips(geometric):
    image, mask = labelled_image()
    augmentation = build_augmentation(AugmentConfig(geometric=geometric, photometric=True, strength=0))
    for result in draws(augmentation, 0, 20):
        flipped = same(result, (image[:, ::-1], mask[:, ::-1]))
        assert same(result, (image, mask)) or (flipped and geometric != "none")


def test_strength_scales_the_amount():
    image, _ = labelled_image()
    changes = []
    for strength in (0.1, 0.5, 1.0, 2.0):
        config = AugmentConfig(geometric="none", photometric=True, strength=strength)
        results = draws(build_augmentation(config), 0, 200)
        changes.append(np.mean([np.abs(moved.astype(float) - image).mean() for moved, _ in results]))
    assert changes == sorted(changes)
    assert changes[-1] > 4 * changes[0]


@pytest.mark.parametrize("channels", CHANNEL_COUNTS)
def test_every_channel_moves_alike(channels):
    augmentation = build_augmentation(AugmentConfig(geometric="complex", strength=1.5, vertical_flip=True))
    for (one, one_mask), (many, many_mask) in zip(
        draws(augmentation, 3, 40), draws(augmentation, 3, 40, channels), strict=True
    ):
        np.testing.assert_array_equal(one_mask, many_mask)
        np.testing.assert_array_equal(many, np.repeat(many[..., :1], channels, axis=2))
        # OpenCV rounds coordinates to 1/32 pixel on some paths, chosen by the number of channels: 200 / 32 at a step.
        np.testing.assert_allclose(many[..., :1].astype(int), one, atol=7)


@pytest.mark.parametrize("channels", CHANNEL_COUNTS)
def test_light_and_noise_change_images_and_no_mask(channels):
    _, mask = labelled_image()
    augmentation = build_augmentation(AugmentConfig(geometric="none", photometric=True))
    results = draws(augmentation, 0, 30, channels)
    assert all(image.shape == (HEIGHT, WIDTH, channels) and image.dtype == np.uint8 for image, _ in results)
    assert all(np.array_equal(moved, mask) for _, moved in results)
    assert len({image.tobytes() for image, _ in results}) > 15


def test_shared_read_only_arrays_are_accepted_and_kept():
    image, mask = labelled_image()
    before = image.copy(), mask.copy()
    image.setflags(write=False)
    mask.setflags(write=False)
    augmentation = build_augmentation(AugmentConfig(geometric="complex", photometric=True))
    augmentation.reseed(0)
    for _ in range(30):
        augmentation(image, mask)
    assert same((image, mask), before)


def test_the_library_neither_phones_home_nor_starts_threads():
    assert os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"
    assert cv2.getNumThreads() == 1
