"""The fused warp: single transforms against albumentations at the same parameters, and what must hold of any draw."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from search.training.amounts import Amounts
from search.training.device.geometry import Deformation, Geometry, draw_geometry
from search.training.device.warp import source_places, warp
from spaces.config import AugmentConfig
from tests.training.device.library import (
    COMPLEX,
    SIZE,
    grid_steps,
    lens_coefficient,
    parameters,
    regions,
    result_to_image,
    texture,
    transform,
)

AMOUNTS = Amounts(COMPLEX.strength)


def still(count: int) -> Geometry:
    """Nothing happens to `count` images."""
    return draw_geometry(COMPLEX, SIZE, np.zeros(count, bool), np.random.default_rng(0))


def moving(drawn: list[dict]) -> Geometry:
    motions = np.stack([result_to_image(each) for each in drawn])
    return replace(still(len(drawn)), moved=np.ones(len(drawn), bool), motions=motions)


def deforming(kind: Deformation, count: int) -> Geometry:
    return replace(still(count), deformation=np.full(count, kind))


def no_noise(count: int = 0) -> Tensor:
    return torch.zeros(count, 2, *SIZE)


def apply(images: np.ndarray, masks: np.ndarray, geometry: Geometry, noise: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """`warp` of images (N, H, W, C)."""
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    moved, labels = warp(tensor, torch.from_numpy(masks), geometry, noise, AMOUNTS.elastic)
    assert moved.dtype == labels.dtype == torch.uint8
    return moved.permute(0, 2, 3, 1).numpy(), labels.numpy()


def assert_equal_to_library(name: str, drawn: list[dict], geometry: Geometry, noise: Tensor) -> None:
    """Images agree up to rounding, masks but for pixels that lie between two others."""
    images, masks = texture(len(drawn), channels=3), regions(len(drawn))
    ours = apply(images, masks, geometry, noise)
    found = transform(name)
    for index, drawn_for_one in enumerate(drawn):
        shape = {"shape": images[index].shape}
        expected = found.apply(images[index], **shape, **drawn_for_one)
        difference = np.abs(ours[0][index].astype(int) - expected)
        assert difference.max() <= 3  # OpenCV rounds places or weights to 1/32 on some paths
        assert difference.mean() < 0.4
        labels = found.apply_to_mask(masks[index], **shape, **drawn_for_one)
        assert (labels != ours[1][index]).mean() < 0.02
        assert np.abs(expected.astype(int) - images[index]).mean() > 1  # something happened


def assert_equal_maps(drawn: list[dict], geometry: Geometry, noise: Tensor) -> None:
    """Places agree to a thousandth of a pixel, after the library's are mirrored into the image."""
    size = noise.shape[2:]
    for ours, name, length in zip(
        source_places(geometry, (size[0], size[1]), noise, AMOUNTS.elastic), ("map_x", "map_y"), size[::-1], strict=True
    ):
        last = length - 1
        theirs = last - np.abs(np.stack([each[name] for each in drawn]) % (2 * last) - last)
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-3)
        assert np.abs(theirs - theirs.mean(0)).max() > 1  # the draws differ


def test_motions_are_the_librarys():
    drawn = parameters(transform("Affine"), 12)
    assert_equal_to_library("Affine", drawn, moving(drawn), no_noise())


def test_perspective_is_the_librarys():
    drawn = parameters(transform("Perspective"), 12)
    assert_equal_to_library("Perspective", drawn, tilting(drawn), no_noise())


def tilting(drawn: list[dict]) -> Geometry:
    tilts = np.stack([result_to_image(each) for each in drawn])
    return replace(deforming(Deformation.PERSPECTIVE, len(drawn)), tilts=tilts)


@pytest.mark.parametrize("size", [SIZE, (64, 128), (45, 60)])
def test_grids_of_any_size_are_the_librarys(size):
    drawn = parameters(transform("GridDistortion"), 12, size)
    assert_equal_maps(drawn, grids(drawn), torch.zeros(0, 2, *size))


def test_distorted_grids_are_the_librarys():
    drawn = parameters(transform("GridDistortion"), 12)
    assert_equal_to_library("GridDistortion", drawn, grids(drawn), no_noise())


def grids(drawn: list[dict]) -> Geometry:
    columns = np.stack([grid_steps(each["map_x"][0]) for each in drawn])
    rows = np.stack([grid_steps(each["map_y"][:, 0]) for each in drawn])
    return replace(deforming(Deformation.GRID, len(drawn)), columns=columns, rows=rows)


def test_lenses_are_the_librarys():
    lenses = np.linspace(*AMOUNTS.lens, 12)
    found, drawn = transform("OpticalDistortion"), []
    for lens in lenses:
        found.distort_limit = (lens, lens)
        drawn += parameters(found, 1)
    geometry = replace(deforming(Deformation.LENS, 12), lens=lenses)
    assert_equal_maps(drawn, geometry, no_noise())
    assert_equal_to_library("OpticalDistortion", drawn, geometry, no_noise())


def test_elastic_deformations_are_the_librarys():
    found, drawn, noise = transform("ElasticTransform"), [], []
    for seed in range(12):
        drawn += parameters(found, 1, seed=seed)
        noise.append(np.random.default_rng(seed).standard_normal((2, *SIZE), dtype=np.float32))
    geometry, noise = deforming(Deformation.ELASTIC, 12), torch.from_numpy(np.stack(noise))
    assert_equal_maps(drawn, geometry, noise)
    assert_equal_to_library("ElasticTransform", drawn, geometry, noise)


@pytest.mark.parametrize("deformation", ["GridDistortion", "ElasticTransform", "OpticalDistortion", "Perspective"])
def test_a_deformation_follows_a_motion_and_sees_its_mirrored_border(deformation):
    """One interpolation in place of two: images differ a little more, and by no shift of anything."""
    count = 12
    affine, bend = transform("Affine"), transform(deformation)
    moves = parameters(affine, count)
    geometry, bends, noise = _as_drawn(deformation, bend, count)
    geometry = replace(geometry, moved=np.ones(count, bool), motions=moving(moves).motions)
    images = texture(count)
    ramps = np.broadcast_to(np.indices(SIZE, np.uint8)[:, None], (2, count, *SIZE)).copy()
    for ramp in ramps:
        moved, places = apply(images, ramp, geometry, noise)
        for index in range(count):
            shape = {"shape": images[index].shape}
            once = affine.apply(images[index], **shape, **moves[index]).reshape(*SIZE, 1)
            twice = bend.apply(once, **shape, **bends[index]).reshape(*SIZE, 1)
            assert np.abs(moved[index].astype(int) - twice).mean() < 2.5
            once = affine.apply_to_mask(ramp[index], **shape, **moves[index])
            twice = bend.apply_to_mask(once, **shape, **bends[index])
            difference = places[index].astype(int) - twice
            assert np.abs(difference).max() <= 2
            assert abs(difference.mean()) < 0.2


def _as_drawn(name: str, found, count: int) -> tuple[Geometry, list[dict], Tensor]:
    """What the library draws, as our parameters."""
    drawn = parameters(found, count)
    match name:
        case "Perspective":
            return tilting(drawn), drawn, no_noise()
        case "GridDistortion":
            return grids(drawn), drawn, no_noise()
        case "OpticalDistortion":
            lenses = np.array([lens_coefficient(each["map_x"]) for each in drawn])
            return replace(deforming(Deformation.LENS, count), lens=lenses), drawn, no_noise()
    generator = np.random.default_rng(0)
    noise = np.stack([generator.standard_normal((2, *SIZE), dtype=np.float32) for _ in range(count)])
    return deforming(Deformation.ELASTIC, count), drawn, torch.from_numpy(noise)


@pytest.mark.parametrize("geometric", ["mild", "complex"])
@pytest.mark.parametrize("axis", [0, 1])
def test_image_and_mask_move_together(geometric, axis):
    """Image and mask are the same ramp, so that a shift by a pixel shows anywhere, mirrored borders included."""
    count = 200
    config = AugmentConfig(geometric=geometric, strength=2, vertical_flip=True)
    ramps = np.broadcast_to(np.indices(SIZE, np.uint8)[axis], (count, *SIZE)).copy()
    images, masks = apply(ramps[..., None], ramps, *drawn(config, count))
    difference = images[..., 0].astype(int) - masks
    assert np.abs(difference).max() <= 2
    assert np.abs(difference.mean((1, 2))).max() < 0.1


def drawn(config: AugmentConfig, count: int, seed: int = 0) -> tuple[Geometry, Tensor]:
    geometry = draw_geometry(config, SIZE, np.ones(count, bool), np.random.default_rng(seed))
    elastic = int((geometry.deformation == Deformation.ELASTIC).sum())
    return geometry, torch.randn(elastic, 2, *SIZE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [SIZE, (96, 257), (512, 1024)])
def test_what_nothing_happens_to_stays_and_flips_are_exact(size):
    """Also where interpolation is asked for at the very places of the pixels."""
    images = np.random.default_rng(0).integers(0, 256, (4, *size, 2), np.uint8)
    masks = np.random.default_rng(1).integers(0, 256, (4, *size), np.uint8)
    geometry = replace(
        still(4),
        across=np.array([False, True, False, True]),
        down=np.array([False, False, True, True]),
        motions=np.tile(np.eye(3), (4, 1, 1)),
    )
    for moved in (False, True):
        geometry = replace(geometry, moved=np.full(4, moved))
        result, labels = apply(images, masks, geometry, torch.zeros(0, 2, *size))
        for index, step in enumerate([(1, 1), (1, -1), (-1, 1), (-1, -1)]):
            np.testing.assert_array_equal(result[index], images[index, :: step[0], :: step[1]])
            np.testing.assert_array_equal(labels[index], masks[index, :: step[0], :: step[1]])


def test_untouched_rows_of_a_drawn_chunk_are_bit_identical():
    geometry, noise = drawn(AugmentConfig(geometric="complex"), 100)
    images, masks = texture(100), regions(100)
    moved, labels = apply(images, masks, geometry, noise)
    still_there = ~(geometry.warped | geometry.across | geometry.down)
    assert 5 < still_there.sum() < 25
    for index in range(100):
        same = np.array_equal(moved[index], images[index]) and np.array_equal(labels[index], masks[index])
        assert same == still_there[index]


def test_no_label_is_invented():
    masks = np.where(regions(200) > 2, 255, 3).astype(np.uint8)
    _, labels = apply(texture(200), masks, *drawn(replace_strength(2.0), 200))
    assert set(np.unique(labels)) == {3, 255}
    for label in (0, 7, 255):
        _, labels = apply(texture(50), np.full((50, *SIZE), label, np.uint8), *drawn(replace_strength(2.0), 50))
        assert (labels == label).all()


def replace_strength(strength: float) -> AugmentConfig:
    return COMPLEX.model_copy(update={"strength": strength})


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_every_channel_moves_alike(channels):
    images = np.repeat(texture(40), channels, axis=3)
    moved, _ = apply(images, regions(40), *drawn(COMPLEX, 40))
    np.testing.assert_array_equal(moved, np.repeat(moved[..., :1], channels, axis=3))
