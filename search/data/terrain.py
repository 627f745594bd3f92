"""Textures of the demo set: equal in mean and contrast, different in orientation, scale and shape."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

UNLABELLED, SOIL, BEDROCK, SAND, BIG_ROCK = range(5)
Texture = Callable[[int, tuple[int, int], np.random.Generator], np.ndarray]

REGION_SIGMA = 14.0
BIAS = {UNLABELLED: -0.55, SOIL: 0.25, BEDROCK: 0.25, SAND: -0.05}
"""Added to each class's random field before the largest wins: decides how much ground a class covers."""

ROCK_SHARE = 0.08
SHADE = 0.12
MEAN, CONTRAST = 120.0, 32.0


def region_masks(count: int, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth regions of classes 0 to 3, and a few big rocks in one image of twelve: (N, H, W) uint8."""
    fields = [smooth(white(rng, count, height, width), REGION_SIGMA) + bias for bias in BIAS.values()]
    masks = np.argmax(fields, axis=0).astype(np.uint8)
    for index in rng.permutation(count)[: round(count * ROCK_SHARE)]:
        masks[index][rocks(height, width, rng)] = BIG_ROCK
    return masks


def rocks(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Where one to three tilted ellipses lie (H, W) bool."""
    rows, columns = np.mgrid[:height, :width]
    found = np.zeros((height, width), dtype=bool)
    for _ in range(rng.integers(1, 4)):
        row, column, angle = rng.uniform(8, height - 8), rng.uniform(8, width - 8), rng.uniform(0, np.pi)
        long, short = rng.uniform(9, 14), rng.uniform(6, 9)
        along = (rows - row) * np.sin(angle) + (columns - column) * np.cos(angle)
        across = (rows - row) * np.cos(angle) - (columns - column) * np.sin(angle)
        found |= (along / long) ** 2 + (across / short) ** 2 < 1
    return found


def draw_terrain(masks: np.ndarray, drives: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Images (N, H, W) uint8 whose texture follows the masks; the light is that of each image's drive."""
    count, size = len(masks), masks.shape[1:]
    ground = np.zeros(masks.shape, dtype=np.float32)
    for index, texture in enumerate((haze, soil, bedrock, sand, big_rock)):
        values = standardize(texture(count, size, rng))
        ground = np.where(masks == index, values, ground)
    light = rng.normal(0, 14, drives.max() + 1)[drives] + rng.normal(0, 8, count)
    shade = smooth(white(rng, *masks.shape), REGION_SIGMA) * SHADE
    noise = 4 * white(rng, *masks.shape)
    pixels = MEAN + light[:, None, None] + CONTRAST * (ground + shade) + noise
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def haze(count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Unlabelled ground: soft clouds."""
    return smooth(white(rng, count, *size), 6.0)


def soil(count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Fine grains without direction."""
    return smooth(white(rng, count, *size), 0.7)


def bedrock(count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Coarse plates: blobs a few pixels wide with sharp edges."""
    return np.tanh(3 * smooth(white(rng, count, *size), 2.2)) + 0.2 * white(rng, count, *size)


def sand(count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Ripples: near-horizontal waves of 5 to 7 pixels, bent by a smooth displacement."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    angle, period = rng.normal(0, 0.25, (count, 1, 1)), rng.uniform(5, 7, (count, 1, 1))
    distance = rows * np.cos(angle) + columns * np.sin(angle)
    bend = smooth(white(rng, count, *size), 8.0)
    return np.sin(2 * np.pi * distance / period + 1.5 * bend) + 0.3 * white(rng, count, *size)


def big_rock(count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Steep layers: near-vertical bands of 3 to 4 pixels."""
    columns = np.arange(size[1])[None, None, :] + 0.3 * np.arange(size[0])[None, :, None]
    period, phase = rng.uniform(3.2, 4.2, (count, 1, 1)), rng.uniform(0, 2 * np.pi, (count, 1, 1))
    return np.sin(2 * np.pi * columns / period + phase) + 0.3 * white(rng, count, *size)


def white(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """White noise, float32."""
    return rng.standard_normal(shape, dtype=np.float32)


def smooth(noise: np.ndarray, sigma: float) -> np.ndarray:
    """Noise (N, H, W) blurred in each image, at unit variance again."""
    return standardize(gaussian_filter(noise, (0, sigma, sigma), mode="wrap", truncate=3))


def standardize(values: np.ndarray) -> np.ndarray:
    """Values (N, H, W) at mean 0 and standard deviation 1 in each image, so that brightness tells no class."""
    centered = values - values.mean(axis=(1, 2), keepdims=True)
    return centered / centered.std(axis=(1, 2), keepdims=True)
