"""Light and sensor at given parameters equal albumentations, all but the blur to the bit."""

import numpy as np
import pytest
import torch

from search.training.device.blur import blur, gaussian_kernels
from search.training.device.light import Light, apply_light, light_tables
from search.training.device.tables import look_up
from tests.training.device.library import SIZE, parameters, texture, transform

COUNT = 20
IMAGES = texture(COUNT, channels=3)


def light(**given: np.ndarray) -> Light:
    """Nothing but what is given."""
    parts = {"contrast": np.ones(COUNT), "gamma": np.ones(COUNT)}
    parts |= {name: np.zeros(COUNT) for name in ("brightness", "noise", "blur")}
    return Light(**(parts | given))


def apply(images: np.ndarray, parts: Light, noise: np.ndarray | None = None) -> np.ndarray:
    """`apply_light` to images (N, H, W, C) and noise alike."""
    noise = np.zeros((0, *SIZE, images.shape[-1]), np.float32) if noise is None else noise
    tensors = (torch.from_numpy(array).permute(0, 3, 1, 2) for array in (images, noise))
    changed = apply_light(next(tensors), parts, next(tensors))
    assert changed.dtype == torch.uint8
    return changed.permute(0, 2, 3, 1).numpy()


def librarys(name: str, images: np.ndarray, drawn: list[dict]) -> np.ndarray:
    found = transform(name)
    return np.stack([found.apply(image, **each) for image, each in zip(images, drawn, strict=True)])


def test_brightness_and_gamma_are_the_librarys_to_the_bit():
    brightness = parameters(transform("RandomBrightnessContrast"), COUNT)
    gamma = parameters(transform("RandomGamma"), COUNT)
    ours = light(
        contrast=np.array([each["alpha"] for each in brightness]),
        brightness=np.array([each["beta"] for each in brightness]),
        gamma=np.array([each["gamma"] for each in gamma]),
    )
    theirs = librarys("RandomGamma", librarys("RandomBrightnessContrast", IMAGES, brightness), gamma)
    np.testing.assert_array_equal(apply(IMAGES, ours), theirs)
    assert np.abs(theirs.astype(int) - IMAGES).mean() > 10


def test_sensor_noise_is_the_librarys():
    drawn = parameters(transform("GaussNoise"), COUNT)
    maps = np.stack([np.repeat(each["noise_map"], 3, axis=2) for each in drawn])
    ours = apply(IMAGES, light(noise=np.full(COUNT, 10.0)), maps / 10)
    theirs = librarys("GaussNoise", IMAGES, [{"noise_map": each} for each in maps])
    assert (ours != theirs).mean() < 1e-4  # whole numbers, cut off at a last bit
    assert np.abs(theirs.astype(int) - IMAGES).mean() > 5


def test_blur_is_the_librarys():
    found, drawn = transform("GaussianBlur"), []
    low, high = found.sigma_limit
    sigmas = np.linspace(low, high, COUNT)
    for sigma in sigmas:
        found.sigma_limit = (sigma, sigma)
        drawn += parameters(found, 1)
    sharp = np.random.default_rng(0).integers(0, 256, (COUNT, *SIZE, 3), np.uint8)
    difference = np.abs(apply(sharp, light(blur=sigmas)).astype(int) - librarys("GaussianBlur", sharp, drawn))
    assert difference.max() <= 2  # OpenCV's kernels are whole 256ths
    assert difference.mean() < 0.5
    np.testing.assert_array_equal(apply(sharp, light(blur=np.full(COUNT, 0.28))), sharp)


def test_each_step_gives_bytes_to_the_next():
    """Light, noise and blur together are one after the other."""
    generator = np.random.default_rng(0)
    parts = {
        "brightness": generator.uniform(-40, 40, COUNT), "gamma": generator.uniform(0.8, 1.2, COUNT),
        "noise": generator.uniform(5, 20, COUNT), "blur": generator.uniform(0.5, 1, COUNT),
    }  # fmt: skip
    noise = generator.normal(size=IMAGES.shape).astype(np.float32)
    stepwise = apply(IMAGES, light(brightness=parts["brightness"], gamma=parts["gamma"]))
    stepwise = apply(stepwise, light(noise=parts["noise"]), noise)
    stepwise = apply(stepwise, light(blur=parts["blur"]))
    np.testing.assert_array_equal(apply(IMAGES, light(**parts), noise), stepwise)


def test_only_the_images_named_change():
    noise = np.random.default_rng(0).normal(size=(5, *SIZE, 3)).astype(np.float32)
    some = np.arange(COUNT) % 4 == 1
    changed = apply(IMAGES, light(noise=30.0 * some), noise)
    assert ((changed != IMAGES).any((1, 2, 3)) == some).all()
    quiet = apply(IMAGES, light(noise=30.0 * some), np.zeros_like(noise))
    np.testing.assert_array_equal(quiet, IMAGES)


@pytest.mark.parametrize("channels", [1, 4])
def test_a_table_is_each_images_own(channels):
    tables = np.random.default_rng(0).integers(0, 256, (COUNT, 256), np.uint8)
    images = texture(COUNT, channels=channels)
    found = look_up(torch.from_numpy(tables), torch.from_numpy(images)).numpy()
    for index in range(COUNT):
        np.testing.assert_array_equal(found[index], tables[index][images[index]])


def test_neutral_light_is_the_identity():
    assert (light_tables(light()) == np.arange(256)).all()


@pytest.mark.parametrize("border", ["reflect", "replicate"])
def test_blur_keeps_a_plane_and_the_sum_of_a_point(border):
    kernels = torch.from_numpy(gaussian_kernels(np.array([0.5, 1.5]), np.array([1, 5])))
    np.testing.assert_allclose(kernels.sum(1), 1, rtol=1e-6)
    assert (kernels[0] == 0).sum() == 8  # beyond its own radius of 1
    np.testing.assert_allclose(blur(torch.full((2, *SIZE), 7.0), kernels, border), 7, rtol=1e-6)
    points = torch.zeros(2, *SIZE)
    points[:, 10, 20] = 1
    blurred = blur(points, kernels, border)
    np.testing.assert_allclose(blurred.sum((1, 2)), 1, rtol=1e-6)
    np.testing.assert_allclose(blurred[1, 5:16, 15:26], kernels[1, :, None] * kernels[1], rtol=1e-5)
