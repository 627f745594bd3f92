"""What is drawn has albumentations' distributions: shares by their probabilities, parameters by Kolmogorov and Smirnov.

Each side draws 2,000 times. Seeds are fixed, so that a test passes always or never.
"""

import albumentations
import numpy as np
import pytest
import torch

from search.training.amounts import Amounts
from search.training.augmentation import build_augmentation
from search.training.device.deformations import elastic
from search.training.device.geometry import DEFORMATIONS, Deformation, draw_geometry
from search.training.device.light import draw_light
from search.training.device.noise import BatchNoise
from spaces.config import AugmentConfig
from tests.training.device.library import (
    COMPLEX,
    SIZE,
    grid_steps,
    lens_coefficient,
    p_value,
    parameters,
    result_to_image,
    transform,
)

COUNT = 2000
AMOUNTS = Amounts(COMPLEX.strength)
EVERY = np.ones(COUNT, bool)
GEOMETRY = draw_geometry(COMPLEX, SIZE, EVERY, np.random.default_rng(1))
LIGHT = draw_light(COMPLEX, EVERY, np.random.default_rng(2))


def assert_alike(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Each column of ours (n, k) has the distribution of theirs (m, k)."""
    assert ours.shape[1] == theirs.shape[1]
    assert len(theirs) >= COUNT / 2
    for column in range(ours.shape[1]):
        assert p_value(ours[:, column], theirs[:, column]) > 1e-3, f"column {column}"


def assert_share(happened: np.ndarray, probability: float) -> None:
    """Within four standard deviations."""
    tolerance = 4 * np.sqrt(probability * (1 - probability) / len(happened))
    assert abs(happened.mean() - probability) < tolerance


def motion_numbers(result_to_image: np.ndarray) -> np.ndarray:
    """Zoom across and down, angle, and the shift of the middle across and down, of motions (n, 3, 3): (n, 5)."""
    forward = np.linalg.inv(result_to_image)
    middle = np.array([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2])
    zooms = np.linalg.norm(forward[:, :2, :2], axis=1)
    np.testing.assert_allclose((forward[:, :2, 0] * forward[:, :2, 1]).sum(1), 0, atol=1e-9)  # nothing is sheared
    angles = np.arctan2(forward[:, 0, 1], forward[:, 1, 1])
    return np.column_stack((zooms, angles, np.rint(forward[:, :2, :2] @ middle + forward[:, :2, 2] - middle)))


def test_motions_have_the_librarys_distribution():
    theirs = motion_numbers(np.stack([result_to_image(each) for each in parameters(transform("Affine"), COUNT)]))
    ours = motion_numbers(GEOMETRY.motions)
    assert_alike(ours, theirs)
    assert np.abs(np.corrcoef(ours.T) - np.eye(5)).max() < 0.09  # four standard deviations: all are independent
    assert set(ours[:, 3]) == set(theirs[:, 3])  # whole pixels


def test_perspectives_have_the_librarys_distribution():
    corners = np.array([(0, 0, 1), (SIZE[1], 0, 1), (*SIZE[::-1], 1), (0, SIZE[0], 1), (SIZE[1] / 2, SIZE[0] / 2, 1)])
    matrices = GEOMETRY.tilts, np.stack([result_to_image(each) for each in parameters(transform("Perspective"), COUNT)])
    ours, theirs = ((corners @ np.swapaxes(each, 1, 2)) for each in matrices)
    assert_alike(*((each[..., :2] / each[..., 2:]).reshape(COUNT, -1) for each in (ours, theirs)))


def test_distorted_grids_have_the_librarys_distribution():
    drawn = parameters(transform("GridDistortion"), COUNT)
    assert_alike(GEOMETRY.columns, np.stack([grid_steps(each["map_x"][0]) for each in drawn]))
    assert_alike(GEOMETRY.rows, np.stack([grid_steps(each["map_y"][:, 0]) for each in drawn]))
    assert abs(np.corrcoef(GEOMETRY.columns[:, 0], GEOMETRY.rows[:, 0])[0, 1]) < 0.09


def test_lenses_have_the_librarys_distribution():
    theirs = [lens_coefficient(each["map_x"]) for each in parameters(transform("OpticalDistortion"), COUNT)]
    assert_alike(GEOMETRY.lens[:, None], np.array(theirs)[:, None])


def field_numbers(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of displaced places (n, H, W): amounts in the middle, at corners and where both fields meet, and roughness."""
    across, down = x - np.arange(SIZE[1]), y - np.arange(SIZE[0])[:, None]
    values = [each[:, row, 20] for each in (across, down) for row in (0, 16, -1)]
    values += [each.std((1, 2)) for each in (across, down)]
    values += [np.abs(np.diff(each, axis=axis)).mean((1, 2)) for each in (across, down) for axis in (1, 2)]
    return np.stack(values, axis=1)


def test_elastic_fields_have_the_librarys_distribution():
    drawn = parameters(transform("ElasticTransform"), COUNT)
    theirs = field_numbers(np.stack([each["map_x"] for each in drawn]), np.stack([each["map_y"] for each in drawn]))
    noise = BatchNoise(0, 16, torch.device("cpu")).draw(np.arange(COUNT), (2, *SIZE))
    x, y = elastic(noise, AMOUNTS.elastic)
    assert_alike(field_numbers(x.numpy(), y.numpy()), theirs)


def test_light_has_the_librarys_distribution():
    drawn = parameters(transform("RandomBrightnessContrast"), COUNT)
    lit = (LIGHT.contrast != 1) | (LIGHT.brightness != 0)
    ours = np.column_stack((LIGHT.contrast, LIGHT.brightness))[lit]
    assert_alike(ours, np.array([(each["alpha"], each["beta"]) for each in drawn]))
    assert abs(np.corrcoef(ours.T)[0, 1]) < 0.13
    theirs = np.array([each["gamma"] for each in parameters(transform("RandomGamma"), COUNT)])
    assert_alike(LIGHT.gamma[LIGHT.gamma != 1][:, None], theirs[:, None])


def test_sensor_noise_has_the_librarys_distribution():
    theirs = [each["noise_map"].std() for each in parameters(transform("GaussNoise"), COUNT)]
    deviations = LIGHT.noise[LIGHT.noise > 0]
    noise = BatchNoise(0, 16, torch.device("cpu")).draw(np.arange(len(deviations)), SIZE).numpy()
    ours = (deviations[:, None, None] * noise).std((1, 2))
    assert_alike(ours[:, None], np.array(theirs)[:, None])


def test_blurs_have_the_librarys_distribution():
    """A kernel of one pixel has lost its sigma: 0 on both sides."""
    kernels = [each["kernel"] for each in parameters(transform("GaussianBlur"), COUNT)]
    theirs = [np.sqrt(0.5 / np.log(each.max() / sorted(each)[-2])) if len(each) > 1 else 0 for each in kernels]
    blurred = LIGHT.blur > 0
    ours = np.where(LIGHT.blur_radius[blurred] > 0, LIGHT.blur[blurred], 0)
    assert_alike(ours[:, None], np.array(theirs)[:, None])
    assert set(LIGHT.blur_radius[blurred]) == {len(each) // 2 for each in kernels}


def test_shares_are_the_librarys():
    assert_share(GEOMETRY.across, transform("HorizontalFlip").p)
    assert_share(GEOMETRY.down, transform("VerticalFlip").p)
    assert_share(GEOMETRY.moved, transform("Affine").p)
    assert_share((LIGHT.contrast != 1) | (LIGHT.brightness != 0), transform("RandomBrightnessContrast").p)
    assert_share(LIGHT.gamma != 1, transform("RandomGamma").p)
    assert_share(LIGHT.noise > 0, transform("GaussNoise").p)
    assert_share(LIGHT.blur > 0, transform("GaussianBlur").p)


def test_one_deformation_of_four_is_chosen_as_by_the_library():
    compose = build_augmentation(COMPLEX)._compose
    assert compose is not None
    (choice,) = [each for each in compose.transforms if isinstance(each, albumentations.OneOf)]
    assert_share(GEOMETRY.deformation != Deformation.NONE, choice.p)
    for kind, weight in zip(DEFORMATIONS, choice.transforms_ps, strict=True):
        assert_share(GEOMETRY.deformation == kind, choice.p * weight)


def test_what_happens_to_an_image_is_independent():
    events = np.stack(
        (GEOMETRY.across, GEOMETRY.down, GEOMETRY.moved, GEOMETRY.deformation > 0, LIGHT.gamma != 1, LIGHT.noise > 0)
    )
    assert np.abs(np.corrcoef(events) - np.eye(len(events))).max() < 0.09


@pytest.mark.parametrize("each", [1, 5, 40])
def test_noise_does_not_depend_on_how_many_batches_ask_at_once(each):
    """Torch draws fewer than 16 numbers otherwise than more."""
    rows = np.array([0, 2, 3, 4, 5, 9, 10])
    whole, parts = (BatchNoise(0, 3, torch.device("cpu")) for _ in range(2))
    expected = torch.cat([parts.draw(chosen, (each,)) for chosen in (rows[:2], rows[2:5] - 3, rows[5:] - 9)])
    assert torch.equal(whole.draw(rows, (each,)), expected)
    assert len(expected.unique()) == 7 * each


@pytest.mark.parametrize("geometric", ["none", "flip", "mild", "complex"])
def test_strength_zero_and_untouched_images(geometric):
    config = AugmentConfig(geometric=geometric, photometric=True, strength=0, vertical_flip=True)
    geometry = draw_geometry(config, SIZE, EVERY, np.random.default_rng(0))
    assert not geometry.warped.any()
    assert geometry.across.any() == geometry.down.any() == (geometric != "none")
    light = draw_light(config, EVERY, np.random.default_rng(0))
    assert not (light.lit | (light.noise > 0) | (light.blur > 0)).any()
    varied = np.arange(COUNT) % 2 == 0
    geometry = draw_geometry(COMPLEX, SIZE, varied, np.random.default_rng(0))
    light = draw_light(COMPLEX, varied, np.random.default_rng(0))
    touched = geometry.warped | geometry.across | geometry.down | light.lit | (light.noise > 0) | (light.blur > 0)
    assert not touched[~varied].any()
    assert touched[varied].mean() > 0.9


@pytest.mark.parametrize(
    ("geometric", "moves", "bends"), [("none", 0, 0), ("flip", 0, 0), ("mild", 1, 0), ("complex", 1, 1)]
)
def test_settings_choose_what_happens(geometric, moves, bends):
    config = AugmentConfig(geometric=geometric)
    geometry = draw_geometry(config, SIZE, EVERY, np.random.default_rng(0))
    assert geometry.across.any() == (geometric != "none")
    assert not geometry.down.any()
    assert geometry.moved.any() == (geometric in ("mild", "complex"))
    assert (geometry.deformation > 0).any() == (geometric == "complex")
    assert not draw_light(config, EVERY, np.random.default_rng(0)).lit.any()
