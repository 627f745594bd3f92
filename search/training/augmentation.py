"""Augmentation of one image with its mask: the one module that knows albumentations.

Borders are always mirrored (reflect 101), in the image and in the mask alike: the library's default would fill masks
with class 0, a label nobody gave. Image values are interpolated linearly and labels by the nearest neighbour, so that a
mask never gains a label. Every transform here takes any number of channels.
"""

import os
import random

import numpy as np

from search.training.amounts import (
    BLURRED,
    BRIGHTENED,
    DEFORMED,
    ELASTIC_SIGMA,
    FLIPPED,
    GAMMA_CORRECTED,
    GRID_STEPS,
    MOVED,
    NOISY,
    Amounts,
)
from spaces.config import AugmentConfig

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # read when imported: else the import looks for a newer version online

import albumentations
import cv2

cv2.setNumThreads(0)  # trials are the unit of parallelism; OpenCV's own pool would fight them for the same cores

_MIRROR = cv2.BORDER_REFLECT_101


class Augmentation:
    """A random transform of an image and its mask; its draws follow from the last `reseed` alone."""

    def __init__(self, transforms: list[albumentations.BasicTransform | albumentations.BaseCompose]):
        self._compose = albumentations.Compose(transforms, strict=True) if transforms else None

    def reseed(self, seed: int) -> None:
        """Restart the draws. Two calls with one seed are followed by the same draws, in any process.

        All transforms draw from one shared generator. The library's own `seed=` gives each transform an equal generator
        instead: a horizontal and a vertical flip would then always happen together.
        """
        if self._compose is not None:
            self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))

    def __call__(self, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw a transform and apply it to an image (H, W, C) uint8 and its mask (H, W) uint8, of unchanged shapes."""
        if self._compose is None:
            return image, mask
        moved = self._compose(image=image, mask=mask)
        return moved["image"], moved["mask"]


def build_augmentation(config: AugmentConfig) -> Augmentation:
    """The augmentation that `config` describes. At strength 0 only flips are left."""
    transforms = _flips(config)
    amounts = Amounts(config.strength)
    if config.strength > 0:
        if config.geometric in ("mild", "complex"):
            transforms.append(_rigid(amounts))
        if config.geometric == "complex":
            transforms.append(_deformation(amounts))
        if config.photometric:
            transforms.extend(_photometric(amounts))
    return Augmentation(transforms)


def _flips(config: AugmentConfig) -> list[albumentations.BasicTransform | albumentations.BaseCompose]:
    """Flips. The vertical one is a choice of its own: frames with a horizon have an up and a down."""
    if config.geometric == "none":
        return []
    flips: list[albumentations.BasicTransform | albumentations.BaseCompose] = [albumentations.HorizontalFlip(p=FLIPPED)]
    if config.vertical_flip:
        flips.append(albumentations.VerticalFlip(p=FLIPPED))
    return flips


def _rigid(amounts: Amounts) -> albumentations.BasicTransform:
    """Zoom, shift and rotation."""
    return albumentations.Affine(
        scale=amounts.zoom,
        translate_percent=amounts.shift,
        rotate=amounts.rotation,
        border_mode=_MIRROR,
        p=MOVED,
    )


def _deformation(amounts: Amounts) -> albumentations.BaseCompose:
    """One deformation of four."""
    return albumentations.OneOf(
        [
            albumentations.ElasticTransform(alpha=amounts.elastic, sigma=ELASTIC_SIGMA, border_mode=_MIRROR),
            albumentations.GridDistortion(num_steps=GRID_STEPS, distort_limit=amounts.grid, border_mode=_MIRROR),
            albumentations.OpticalDistortion(distort_limit=amounts.lens, border_mode=_MIRROR),
            albumentations.Perspective(scale=amounts.tilt, border_mode=_MIRROR),
        ],
        p=DEFORMED,
    )


def _photometric(amounts: Amounts) -> list[albumentations.BasicTransform]:
    """Light and sensor: brightness and contrast, gamma, noise, blur."""
    return [
        albumentations.RandomBrightnessContrast(
            brightness_limit=amounts.brightness, contrast_limit=amounts.contrast, p=BRIGHTENED
        ),
        albumentations.RandomGamma(gamma_limit=amounts.gamma, p=GAMMA_CORRECTED),
        albumentations.GaussNoise(std_range=amounts.noise, p=NOISY),
        albumentations.GaussianBlur(blur_limit=0, sigma_limit=amounts.blur, p=BLURRED),
    ]
