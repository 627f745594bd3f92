"""Changes of light and sensor: brightness and contrast, gamma, noise, blur.

Distributions and rounding are those of albumentations 2.0.8: each step gives bytes, light and noise by cutting off
fractions. Light is therefore a table of 256 bytes for each image, made on the host.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from search.training.amounts import BLURRED, BRIGHTENED, GAMMA_CORRECTED, NOISY, Amounts
from search.training.device.blur import blur, gaussian_kernels
from search.training.device.tables import look_up
from search.training.device.upload import upload
from spaces.config import AugmentConfig

BLUR_REACH = 3.5
"""Standard deviations that a blur's kernel reaches to each side, cut off to whole pixels."""


@dataclass(frozen=True, kw_only=True)
class Light:
    """What happens to n images, each (n,), in this order. `brightness` and `noise` are in grey values.

    A value becomes value * `contrast` + `brightness`, then 255 * (value / 255) ** `gamma`. `noise` and `blur` are
    standard deviations, 0 where there is none.
    """

    contrast: np.ndarray
    brightness: np.ndarray
    gamma: np.ndarray
    noise: np.ndarray
    blur: np.ndarray

    def __getitem__(self, part: slice) -> Self:
        return type(self)(
            contrast=self.contrast[part],
            brightness=self.brightness[part],
            gamma=self.gamma[part],
            noise=self.noise[part],
            blur=self.blur[part],
        )

    @property
    def lit(self) -> np.ndarray:
        """(n,) bool: whether light changes."""
        return (self.contrast != 1) | (self.brightness != 0) | (self.gamma != 1)

    @property
    def blur_radius(self) -> np.ndarray:
        """(n,) pixels that the blur reaches to each side; the kernel of radius 0 is the identity."""
        return (self.blur * BLUR_REACH).astype(int)


def draw_light(config: AugmentConfig, varied: np.ndarray, generator: np.random.Generator) -> Light:
    """What happens to images where `varied` (n,) bool, nothing to the others."""
    count, amounts = len(varied), Amounts(config.strength)
    varied = varied & (config.photometric and config.strength > 0)
    brightened, corrected, noisy, blurred = (
        varied & (generator.random(count) < share) for share in (BRIGHTENED, GAMMA_CORRECTED, NOISY, BLURRED)
    )
    return Light(
        contrast=np.where(brightened, 1 + generator.uniform(*amounts.contrast, count), 1),
        brightness=np.where(brightened, 255 * generator.uniform(*amounts.brightness, count), 0),
        gamma=np.where(corrected, generator.uniform(*amounts.gamma, count) / 100, 1),
        noise=np.where(noisy, 255 * generator.uniform(*amounts.noise, count), 0),
        blur=np.where(blurred, generator.uniform(*amounts.blur, count), 0),
    )


def apply_light(images: Tensor, light: Light, noise: Tensor) -> Tensor:
    """Images (N, C, H, W) uint8 as `light` says; `noise` (n, C, H, W) is standard normal, for the n noisy images."""
    lit = np.flatnonzero(light.lit)
    if len(lit):
        index = upload(lit, images.device)
        tables = upload(light_tables(light)[lit], images.device)
        images = images.index_copy(0, index, look_up(tables, images.index_select(0, index)))
    noisy = np.flatnonzero(light.noise)
    if len(noisy):
        index = upload(noisy, images.device)
        deviations = upload(light.noise[noisy].astype(np.float32), images.device)
        values = images.index_select(0, index) + (deviations[:, None, None, None] * noise).trunc_()
        images = images.index_copy(0, index, values.clamp_(0, 255).to(torch.uint8))
    blurred = np.flatnonzero(light.blur_radius)
    if len(blurred):
        index = upload(blurred, images.device)
        values = _blurred(images.index_select(0, index), light.blur[blurred], light.blur_radius[blurred])
        images = images.index_copy(0, index, values)
    return images


def light_tables(light: Light) -> np.ndarray:
    """For each image the new value of each grey value: (n, 256) uint8."""
    values = np.arange(256, dtype=np.float32)
    contrast, brightness = (array.astype(np.float32)[:, None] for array in (light.contrast, light.brightness))
    tables = np.clip(values * contrast + brightness, 0, 255).astype(np.uint8)
    corrected = np.flatnonzero(light.gamma != 1)
    curves = (np.arange(256) * (1 / 255)) ** light.gamma[corrected, None] * 255
    tables[corrected] = np.take_along_axis(curves.astype(np.uint8), tables[corrected].astype(np.intp), axis=1)
    return tables


def _blurred(images: Tensor, sigmas: np.ndarray, radii: np.ndarray) -> Tensor:
    """Images (n, C, H, W) uint8, each blurred by its own kernel."""
    kernels = upload(gaussian_kernels(sigmas, radii), images.device)
    planes = blur(images.flatten(0, 1).float(), kernels.repeat_interleave(images.shape[1], dim=0), "reflect")
    return planes.view(images.shape).round_().clamp_(0, 255).to(torch.uint8)
