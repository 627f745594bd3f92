import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.data.samples import VOID, Samples
from search.training.mixing import Patch, classmix, copy_paste, cut_patches, cutmix

SHAPE = (24, 40)
ROCK = 4


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def numbered_batch(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Image i and mask i hold the value i everywhere, so that each pixel tells where it came from."""
    masks = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, *SHAPE)).copy()
    return np.repeat(masks[..., None], 3, axis=3), masks


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_cutmix_pastes_one_rectangle_of_one_other_image(count, seed):
    images, masks = numbered_batch(count)
    mixed_images, mixed_masks = cutmix(images, masks, generator(seed))
    partners = set()
    for row in range(count):
        np.testing.assert_array_equal(mixed_images[row], np.repeat(mixed_masks[row][..., None], 3, axis=2))
        foreign = mixed_masks[row] != row
        if foreign.any():
            rows, columns = np.flatnonzero(foreign.any(1)), np.flatnonzero(foreign.any(0))
            block = mixed_masks[row, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert len(np.unique(block)) == 1
            assert block.size == foreign.sum()
            assert block[0, 0] not in partners
            partners.add(block[0, 0])


def test_cutmix_area_is_uniform():
    images, masks = numbered_batch(2)
    mixed = [cutmix(images, masks, generator(seed))[1] for seed in range(400)]
    shares = np.array([(batch[row] != row).mean() for batch in mixed for row in (0, 1)])
    assert abs(shares.mean() - 0.5) < 0.05
    assert abs((shares < 0.25).mean() - 0.25) < 0.06


@pytest.mark.parametrize("mix", [cutmix, classmix])
def test_mixing_is_seeded_and_leaves_its_input_alone(mix):
    images, masks = numbered_batch(4)
    before = images.copy(), masks.copy()
    first, again, other = (mix(images, masks, generator(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(masks, before[1])
    assert first[0].dtype == first[1].dtype == np.uint8


@pytest.mark.parametrize("mix", [cutmix, classmix])
def test_an_image_alone_has_nothing_to_mix_with(mix):
    images, masks = (
        generator().integers(0, 5, (1, *SHAPE, 1), np.uint8),
        generator().integers(0, 5, (1, *SHAPE), np.uint8),
    )
    mixed = mix(images, masks, generator())
    np.testing.assert_array_equal(mixed[0], images)
    np.testing.assert_array_equal(mixed[1], masks)


def two_images(classes_of_first: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The first holds vertical stripes of the given classes (value 100 + class), the second is all class 9, value 9."""
    masks = np.full((2, *SHAPE), 9, np.uint8)
    masks[0] = np.array(classes_of_first, np.uint8)[np.arange(SHAPE[1]) * len(classes_of_first) // SHAPE[1]]
    images = masks[..., None].copy()
    images[0] += 100
    return images, masks


@pytest.mark.parametrize(
    ("classes", "pasted"),
    [([1, 2, 3, 4], 2), ([1, 2, 3], 2), ([1], 1), ([0, VOID], 0), ([0, 1], 1), ([0, VOID, 1, 2], 1)],
)
def test_classmix_pastes_half_the_classes_of_the_partner(classes, pasted):
    images, masks = two_images(classes)
    chosen = set()
    for seed in range(20):
        mixed_images, mixed_masks = classmix(images, masks, generator(seed), unpasted=(0,))
        came = mixed_images[1, ..., 0] != 9
        labels = set(np.unique(mixed_masks[1][came]).tolist())
        assert len(labels) == pasted
        assert not labels & {0, VOID}
        np.testing.assert_array_equal(came, np.isin(masks[0], list(labels)))
        np.testing.assert_array_equal(mixed_masks[1], np.where(came, masks[0], masks[1]))
        np.testing.assert_array_equal(mixed_images[1], np.where(came[..., None], images[0], images[1]))
        chosen |= labels
    assert chosen == set(classes) - {0, VOID}


def rocky() -> Samples:
    """The first image holds a 5x6 and a diagonal rock, the second a speck and one in the corner, the third none."""
    masks = np.ones((3, *SHAPE), np.uint8)
    masks[0, 3:8, 10:16] = ROCK
    masks[0, [15, 16, 17, 18], [20, 21, 22, 23]] = ROCK
    masks[1, 10, 10] = ROCK
    masks[1, :3, :3] = ROCK
    images = np.where(masks == ROCK, 200, 50).astype(np.uint8)[..., None]
    return Samples(images=images, masks=masks)


def test_patches_are_the_components_with_a_pixel_around():
    patches = cut_patches(rocky(), ROCK)
    assert sorted(patch.where.shape for patch in patches) == [(4, 4), (6, 6), (7, 8)]
    assert sorted(int(patch.where.sum()) for patch in patches) == [4, 9, 30]
    for patch in patches:
        np.testing.assert_array_equal(patch.image[..., 0] == 200, patch.where == 1)


def test_a_patch_never_holds_its_neighbour():
    mask = np.ones(SHAPE, np.uint8)
    mask[5:14, 5:14] = ROCK
    mask[6:13, 6:13] = 1
    mask[8:11, 8:11] = ROCK
    patches = cut_patches(Samples(images=mask[None, ..., None], masks=mask[None]), ROCK)
    assert sorted(int(patch.where.sum()) for patch in patches) == [9, 81 - 49]


@settings(max_examples=40, deadline=None)
@given(channels=st.sampled_from([1, 3, 6]), seed=st.integers(0, 2**32))
def test_copy_paste_adds_rock_and_changes_nothing_else(channels, seed):
    samples = rocky()
    patches = [
        Patch(image=np.repeat(patch.image, channels, axis=2), where=patch.where) for patch in cut_patches(samples, ROCK)
    ]
    image, mask = np.full((*SHAPE, channels), 50, np.uint8), np.full(SHAPE, 2, np.uint8)
    pasted_image, pasted_mask = copy_paste(image, mask, patches, ROCK, generator(seed))
    assert (image == 50).all()
    assert (mask == 2).all()
    rock = pasted_mask == ROCK
    assert rock.any()
    assert set(np.unique(pasted_mask)) == {2, ROCK}
    near = np.pad(rock, 1)
    near = np.any([near[1 + dy : 25 + dy, 1 + dx : 41 + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)], axis=0)
    assert (pasted_image[~near] == 50).all()
    assert (pasted_image[rock] > 50).all()


def test_the_outline_is_feathered():
    patch = Patch(image=np.full((12, 12, 1), 200, np.uint8), where=np.pad(np.ones((10, 10), np.uint8), 1))
    image, mask = copy_paste(np.zeros((40, 40, 1), np.uint8), np.zeros((40, 40), np.uint8), [patch], ROCK, generator())
    values = image[mask == ROCK]
    assert values.max() == 200
    assert 0 < values.min() < 200


def test_a_patch_larger_than_the_image_is_made_to_fit():
    patch = Patch(image=np.full((90, 30, 3), 200, np.uint8), where=np.ones((90, 30), np.uint8))
    for seed in range(10):
        image, mask = copy_paste(
            np.zeros((16, 8, 3), np.uint8), np.zeros((16, 8), np.uint8), [patch], ROCK, generator(seed)
        )
        assert image.shape == (16, 8, 3)
        assert (mask == ROCK).any()


def test_objects_are_mirrored_moved_and_scaled():
    patches = cut_patches(rocky(), ROCK)
    image, mask = np.zeros((*SHAPE, 1), np.uint8), np.zeros(SHAPE, np.uint8)
    results = [copy_paste(image, mask, patches[:1], ROCK, generator(seed))[1] for seed in range(40)]
    assert len({result.tobytes() for result in results}) > 30
    sizes = [int((result == ROCK).sum()) for result in results]
    assert min(sizes) < 25
    assert max(sizes) > 40
