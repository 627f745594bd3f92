"""Copy-paste on the device: the objects and the result of the CPU path."""

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch

from search.data.samples import Samples
from search.training.device.pasting import Objects, Pasting, draw_pasting, find_all_objects, paste
from search.training.mixing import PATCH_SCALE, copy_paste, cut_patches
from tests.training.device.library import p_value, texture

SIZE = (24, 40)
ROCK = 4
CPU = torch.device("cpu")


def rocky() -> Samples:
    """The first image has no rock, the second two, the third a speck, one in the corner and one in a ring of rock."""
    masks = np.ones((3, *SIZE), np.uint8)
    masks[1, 3:8, 10:16] = ROCK
    masks[1, [15, 16, 17, 18], [20, 21, 22, 23]] = ROCK
    masks[2, 10, 10] = ROCK
    masks[2, :3, :3] = ROCK
    masks[2, 5:14, 15:24] = ROCK
    masks[2, 6:13, 16:23] = 1
    masks[2, 8:11, 18:21] = ROCK
    return Samples(images=texture(3, SIZE, channels=2), masks=masks)


SAMPLES = rocky()
OBJECTS = find_all_objects(np.asarray(SAMPLES.masks), ROCK, CPU)
SOURCE = torch.from_numpy(np.asarray(SAMPLES.images)).permute(0, 3, 1, 2)
BELOW = texture(60, SIZE, channels=2, seed=9)
MASKS = np.full((60, *SIZE), 2, np.uint8)


def draw(count: int = 60, seed: int = 0) -> Pasting:
    return draw_pasting(OBJECTS, SIZE, np.ones(count, bool), np.random.default_rng(seed))


def apply(pasting: Pasting, objects: Objects = OBJECTS) -> tuple[np.ndarray, np.ndarray]:
    below = torch.from_numpy(BELOW).permute(0, 3, 1, 2)
    images, masks = paste(below, torch.from_numpy(MASKS), pasting, objects, SOURCE, ROCK)
    assert images.dtype == masks.dtype == torch.uint8
    return images.permute(0, 2, 3, 1).numpy(), masks.numpy()


def test_objects_are_the_patches_of_the_cpu():
    patches = cut_patches(SAMPLES, ROCK)
    assert len(OBJECTS) == len(patches) == 5
    assert OBJECTS.components.shape == (2, *SIZE)  # of the images that hold the class alone
    for index, patch in enumerate(patches):
        top, left, tall, wide = OBJECTS.boxes[index]
        box = slice(top, top + tall), slice(left, left + wide)
        np.testing.assert_array_equal(patch.image, SAMPLES.images[OBJECTS.images[index]][box])
        found = OBJECTS.components[OBJECTS.maps[index]].numpy()[box] == OBJECTS.numbers[index]
        np.testing.assert_array_equal(patch.where, found)


class Script:
    """A generator that draws what it is told, in the order in which the CPU path asks."""

    def __init__(self, *values: float):
        self._values = iter(values)

    def integers(self, low: int, high: int | None = None) -> int:
        return int(next(self._values))

    def random(self) -> float:
        return next(self._values)

    def uniform(self, low: float, high: float) -> float:
        return next(self._values)


def test_the_result_is_that_of_the_cpu_at_the_same_draws():
    generator = np.random.default_rng(3)
    patches, pasting = cut_patches(SAMPLES, ROCK), draw()
    expected, regions = [], pasting.regions.copy()
    for index in range(60):
        tall, wide = OBJECTS.boxes[pasting.objects[index], 2:]
        factor = generator.uniform(*PATCH_SCALE)
        lengths = np.array([int(tall * factor), int(wide * factor)])
        starts = generator.integers(0, np.array(SIZE) - lengths + 1)
        regions[index] = [*starts, *lengths]
        draws = Script(pasting.objects[index], 0.0 if pasting.mirrored[index] else 0.9, factor, *starts)
        drawing = cast(np.random.Generator, draws)
        expected.append(copy_paste(BELOW[index], MASKS[index], patches, ROCK, drawing))
    images, masks = apply(replace(pasting, regions=regions))
    np.testing.assert_array_equal(masks, np.stack([mask for _, mask in expected]))
    difference = np.abs(images.astype(int) - np.stack([image for image, _ in expected]))
    assert difference.max() <= 1  # OpenCV resizes in fixed point
    assert difference.mean() < 0.02


def test_objects_lie_wholly_inside_and_nothing_else_changes():
    pasting = draw()
    images, masks = apply(pasting)
    top, left, tall, wide = pasting.regions.T
    assert (pasting.regions >= 0).all()
    assert (top + tall <= SIZE[0]).all()
    assert (left + wide <= SIZE[1]).all()
    assert set(np.unique(masks)) == {2, ROCK}
    for index in range(60):
        inside = np.zeros(SIZE, bool)
        inside[top[index] : top[index] + tall[index], left[index] : left[index] + wide[index]] = True
        assert (masks[index] == ROCK).any()
        assert not (masks[index] == ROCK)[~inside].any()
        np.testing.assert_array_equal(images[index][~inside], BELOW[index][~inside])


def test_scale_and_mirroring_are_those_of_the_cpu():
    pasting = draw(3000)
    boxes = OBJECTS.boxes[pasting.objects, 2:]
    factors = np.random.default_rng(5).uniform(*PATCH_SCALE, 3000)
    expected = (boxes * np.minimum(factors, (SIZE / boxes).min(1))[:, None]).astype(int)
    for axis in (0, 1):
        assert p_value(pasting.regions[:, 2 + axis], expected[:, axis]) > 1e-3
    assert abs(pasting.mirrored.mean() - 0.5) < 0.04
    assert np.bincount(pasting.objects, minlength=5).min() > 500
    starts = (pasting.regions[:, :2] + 0.5) / (np.array(SIZE) - pasting.regions[:, 2:] + 1)
    assert np.abs(starts.mean(0) - 0.5).max() < 0.03


def test_an_object_larger_than_the_image_is_made_to_fit():
    masks = np.full((1, *SIZE), ROCK, np.uint8)
    masks[0, :, -1] = 1
    objects = find_all_objects(masks, ROCK, CPU)
    pasting = draw_pasting(objects, SIZE, np.ones(40, bool), np.random.default_rng(0))
    assert (pasting.regions[:, :2] + pasting.regions[:, 2:] <= SIZE).all()
    assert (pasting.regions[:, 2:] == SIZE).all(1).mean() > 0.3


def test_only_the_images_named_are_pasted_into():
    some = np.arange(60) % 3 == 0
    images, masks = apply(replace(draw(), pasted=some))
    np.testing.assert_array_equal((masks == ROCK).any((1, 2)), some)
    np.testing.assert_array_equal(images[~some], BELOW[~some])


def test_no_objects_are_found_where_there_are_none():
    assert len(find_all_objects(np.ones((2, *SIZE), np.uint8), ROCK, CPU)) == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_outline_is_feathered(seed):
    """A bright object on black has values between at its edge, and only there."""
    masks = np.ones((1, *SIZE), np.uint8)
    masks[0, 8:16, 10:20] = ROCK
    objects = find_all_objects(masks, ROCK, CPU)
    pasting = draw_pasting(objects, SIZE, np.ones(1, bool), np.random.default_rng(seed))
    bright, black = torch.full((1, 1, *SIZE), 200, dtype=torch.uint8), torch.zeros(1, 1, *SIZE, dtype=torch.uint8)
    image, mask = paste(black, torch.from_numpy(masks) * 0, pasting, objects, bright, ROCK)
    values = image[0, 0][mask[0] == ROCK]
    assert values.max() == 200
    assert 0 < values.min() < 200
