"""Augmentation of one image with its mask: the one module that knows albumentations.

Borders are always mirrored (reflect 101), in the image and in the mask alike: the library's default would fill masks
with class 0, a label nobody gave. Image values are interpolated linearly and labels by the nearest neighbour, so that a
mask never gains a label. Every transform here takes any number of channels.
"""

import os
import random

import numpy as np

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
    if config.strength > 0:
        if config.geometric in ("mild", "complex"):
            transforms.append(_rigid(config.strength))
        if config.geometric == "complex":
            transforms.append(_deformation(config.strength))
        if config.photometric:
            transforms.extend(_photometric(config.strength))
    return Augmentation(transforms)


def _flips(config: AugmentConfig) -> list[albumentations.BasicTransform | albumentations.BaseCompose]:
    """Flips. The vertical one is a choice of its own: frames with a horizon have an up and a down."""
    if config.geometric == "none":
        return []
    flips: list[albumentations.BasicTransform | albumentations.BaseCompose] = [albumentations.HorizontalFlip(p=0.5)]
    if config.vertical_flip:
        flips.append(albumentations.VerticalFlip(p=0.5))
    return flips


def _rigid(strength: float) -> albumentations.BasicTransform:
    """Zoom, shift and rotation; each image has the even chance of report 000."""
    return albumentations.Affine(
        scale=(1 - 0.1 * strength, 1 + 0.1 * strength),
        translate_percent=(-0.06 * strength, 0.06 * strength),
        rotate=(-15 * strength, 15 * strength),
        border_mode=_MIRROR,
        p=0.5,
    )


def _deformation(strength: float) -> albumentations.BaseCompose:
    """One deformation, for half of the images: they cost several times a rigid motion, and two would blur labels."""
    return albumentations.OneOf(
        [
            albumentations.ElasticTransform(alpha=20 * strength, sigma=5, border_mode=_MIRROR),
            albumentations.GridDistortion(
                num_steps=5, distort_limit=(-0.3 * strength, 0.3 * strength), border_mode=_MIRROR
            ),
            albumentations.OpticalDistortion(distort_limit=(-0.2 * strength, 0.2 * strength), border_mode=_MIRROR),
            albumentations.Perspective(scale=(0.02 * strength, 0.06 * strength), border_mode=_MIRROR),
        ],
        p=0.5,
    )


def _photometric(strength: float) -> list[albumentations.BasicTransform]:
    """Light and sensor: brightness and contrast, gamma, noise (fractions of the full range), blur (pixels)."""
    return [
        albumentations.RandomBrightnessContrast(
            brightness_limit=(-0.2 * strength, 0.2 * strength), contrast_limit=(-0.2 * strength, 0.2 * strength), p=0.5
        ),
        albumentations.RandomGamma(gamma_limit=(100 - 20 * strength, 100 + 20 * strength), p=0.3),
        albumentations.GaussNoise(std_range=(0.02 * strength, 0.08 * strength), p=0.3),
        # From 0.1, where the kernel is the identity: a sigma of 0 divides by zero.
        albumentations.GaussianBlur(blur_limit=0, sigma_limit=(0.1, 0.1 + 0.9 * strength), p=0.2),
    ]
