"""Mixing on the device does what mixing on the CPU does, within batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from search.data.samples import VOID
from search.training.device.mixing import Mixing, classmix, cutmix, draw_mixing
from search.training.mixing import cutmix as cutmix_on_cpu
from tests.training.device.library import p_value

SIZE = (24, 40)
BATCH = 6
CLASSES = 10


def draw(varied: np.ndarray, seed: int = 0) -> Mixing:
    return draw_mixing(varied, SIZE, CLASSES, np.random.default_rng(seed))


def everywhere(count: int, seed: int = 0) -> Mixing:
    """One batch of `count` images, all mixed."""
    mixing = draw(np.ones((1, count), bool), seed)
    return replace(mixing, mixed=np.ones(count, bool))


def numbered(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Image i and mask i hold the value i everywhere, so that each pixel tells where it came from."""
    masks = torch.arange(count, dtype=torch.uint8)[:, None, None].repeat(1, *SIZE)
    return masks[:, None].repeat(1, 3, 1, 1), masks


def test_partners_are_others_of_the_batch_each_used_once():
    generator = np.random.default_rng(0)
    varied = generator.random((200, BATCH)) < 0.6
    varied[:100] = True
    mixing = draw(varied)
    partners = (np.arange(varied.size) + mixing.partners).reshape(varied.shape)
    for batch, taking_part in enumerate(varied):
        own = batch * BATCH + np.flatnonzero(taking_part)
        others = partners[batch][taking_part]
        assert set(others) == set(own)
        if len(own) > 1:
            assert (own != others).all()
    first = partners[varied.all(1), 0] % BATCH
    assert set(first) == set(range(1, BATCH))


def test_half_of_the_batches_are_mixed_whole_and_no_untouched_image_is():
    varied = np.random.default_rng(0).random((400, BATCH)) < 0.5
    mixed = draw(varied).mixed.reshape(varied.shape)
    chosen = mixed.any(1)
    assert 160 < chosen.sum() < 240
    np.testing.assert_array_equal(mixed, varied & np.reshape(chosen, (-1, 1)))


def test_cutmix_pastes_one_rectangle_of_the_partner():
    images, masks = numbered(40)
    mixing = everywhere(40)
    mixed_images, mixed_masks = cutmix(images, masks, mixing)
    assert mixed_images.dtype == mixed_masks.dtype == torch.uint8
    assert torch.equal(mixed_images, mixed_masks[:, None].expand(-1, 3, -1, -1))
    for row, (top, left, tall, wide) in enumerate(mixing.rectangles):
        expected = np.full(SIZE, row)
        expected[top : top + tall, left : left + wide] = row + mixing.partners[row]
        np.testing.assert_array_equal(mixed_masks[row], expected)


def test_rectangles_are_those_of_the_cpu():
    """Inside the image, with its aspect; height, width, first row and column as often as on the CPU."""
    rectangles = draw(np.ones((250, 4), bool)).rectangles
    assert (rectangles >= 0).all()
    assert (rectangles[:, :2] + rectangles[:, 2:] <= SIZE).all()
    masks = np.repeat(np.arange(4, dtype=np.uint8), np.prod(SIZE)).reshape(4, *SIZE)
    theirs = []
    for seed in range(250):
        _, mixed = cutmix_on_cpu(masks[..., None], masks, np.random.default_rng(seed))
        for row, mask in enumerate(mixed):
            rows, columns = (np.flatnonzero((mask != row).any(axis)) for axis in (1, 0))
            theirs.append((rows[0], columns[0], len(rows), len(columns)) if len(rows) else (0, 0, 0, 0))
    shown = np.where((rectangles[:, 2:] > 0).all(1, keepdims=True), rectangles, 0)
    for column in range(4):
        assert p_value(shown[:, column], np.array(theirs)[:, column]) > 1e-3
    shares = rectangles[:, 2] * rectangles[:, 3] / np.prod(SIZE)
    assert abs(shares.mean() - 0.5) < 0.04


def two_images(classes_of_first: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """The first holds vertical stripes of the given classes (value 100 + class), the second is all class 9, value 9."""
    masks = np.full((2, *SIZE), 9, np.uint8)
    masks[0] = np.array(classes_of_first, np.uint8)[np.arange(SIZE[1]) * len(classes_of_first) // SIZE[1]]
    images = masks[:, None].copy()
    images[0] += 100
    return torch.from_numpy(images), torch.from_numpy(masks)


@pytest.mark.parametrize(
    ("classes", "pasted"),
    [([1, 2, 3, 4], 2), ([1, 2, 3], 2), ([1], 1), ([0, VOID], 0), ([0, 1], 1), ([0, VOID, 1, 2], 1), ([8, 0, 1], 1)],
)
def test_classmix_pastes_half_the_classes_of_the_partner(classes, pasted):
    images, masks = two_images(classes)
    chosen = set()
    for seed in range(20):
        mixed_images, mixed_masks = classmix(images, masks, everywhere(2, seed), unpasted=(0, 8))
        came = mixed_images[1, 0] != 9
        labels = set(mixed_masks[1][came].unique().tolist())
        assert len(labels) == pasted
        assert not labels & {0, 8, VOID}
        np.testing.assert_array_equal(came, np.isin(masks[0], list(labels)))
        np.testing.assert_array_equal(mixed_masks[1], np.where(came, masks[0], masks[1]))
        np.testing.assert_array_equal(mixed_images[1, 0], np.where(came, images[0, 0], images[1, 0]))
        chosen |= labels
    assert chosen == set(classes) - {0, 8, VOID}


def test_classmix_leaves_its_draws_alone():
    mixing = everywhere(4)
    before = mixing.order.copy()
    classmix(*numbered(4), mixing, unpasted=(0,))
    np.testing.assert_array_equal(mixing.order, before)


@pytest.mark.parametrize("mix", [cutmix, lambda *batch: classmix(*batch, unpasted=())])
def test_images_that_are_not_mixed_stay(mix):
    images, masks = numbered(8)
    mixing = replace(everywhere(8), mixed=np.zeros(8, bool))
    assert all(map(torch.equal, mix(images, masks, mixing), (images, masks)))
    alone = np.zeros((1, 8), bool)
    alone[0, 3] = True  # takes part, and has no partner
    mixing = replace(draw(alone), mixed=alone[0])
    assert all(map(torch.equal, mix(images, masks, mixing), (images, masks)))
