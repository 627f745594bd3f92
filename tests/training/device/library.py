"""What the GPU path is compared with: albumentations' transforms as the CPU path builds them. And data for both."""

import random
from typing import Any

import albumentations
import cv2
import numpy as np
from scipy.stats import ks_2samp

from search.data.samples import Samples, TrialData
from search.training.amounts import GRID_STEPS
from search.training.augmentation import build_augmentation
from spaces.config import AugmentConfig
from spaces.facts import DataFacts

SIZE = (33, 52)
CLASSES = 5
COMPLEX = AugmentConfig(geometric="complex", photometric=True, strength=1.3, vertical_flip=True)


def transform(name: str, config: AugmentConfig = COMPLEX) -> Any:
    """The transform of class `name` of the CPU path, also out of its choice of one deformation."""
    compose = build_augmentation(config)._compose
    assert compose is not None
    flat = [
        inner
        for outer in compose.transforms
        for inner in (outer.transforms if isinstance(outer, albumentations.BaseCompose) else [outer])
    ]
    (found,) = [inner for inner in flat if type(inner).__name__ == name]
    return found


def reseed(found: Any, seed: int) -> None:
    found.set_random_state(np.random.default_rng(seed), random.Random(seed))


def parameters(found: Any, count: int, size: tuple[int, int] = SIZE, seed: int = 0) -> list[dict[str, Any]]:
    """What the transform draws for `count` grey images of `size`."""
    reseed(found, seed)
    image = np.zeros((*size, 1), np.uint8)
    return [found.get_params_dependent_on_data({"shape": image.shape}, {"image": image}) for _ in range(count)]


def result_to_image(drawn: dict[str, Any], size: tuple[int, int] = SIZE) -> np.ndarray:
    """The matrix (3, 3) of an Affine's or a Perspective's draw, from the result's pixels to the image's.

    A Perspective that keeps the size enlarges what its matrix has already brought to that size.
    """
    matrix = drawn["matrix"]
    if "max_width" in drawn:
        matrix = np.diag([size[1] / drawn["max_width"], size[0] / drawn["max_height"], 1]) @ matrix
    return np.linalg.inv(matrix)


def grid_steps(line: np.ndarray) -> np.ndarray:
    """How many cells each cell of a distorted grid reaches, by a line of places: each begins where one ends."""
    cell = len(line) // GRID_STEPS
    ends = [*line[cell : GRID_STEPS * cell : cell], line[GRID_STEPS * cell - 1], len(line)]
    return np.diff(ends, prepend=0) / cell


def lens_coefficient(map_x: np.ndarray) -> float:
    """The coefficient of a lens, from where it takes the first pixel."""
    height, width = map_x.shape
    across, squared = (1 - width) / 2 / width, ((width - 1) / 2 / width) ** 2 + ((height - 1) / 2 / height) ** 2
    return float(((map_x[0, 0] / width - 0.5) / across - 1) / (squared + squared**2))


def p_value(ours: np.ndarray, theirs: np.ndarray) -> float:
    """How probable it is that two samples (n,) and (m,) of one distribution differ as these do."""
    _, probability = np.asarray(ks_2samp(ours, theirs))
    return float(probability)


def texture(count: int, size: tuple[int, int] = SIZE, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Smooth random images (count, H, W, channels) uint8 over the whole range."""
    noise = np.random.default_rng(seed).normal(size=(count, *size, channels)).astype(np.float32)
    smooth = np.stack([cv2.GaussianBlur(image, (0, 0), 2).reshape(image.shape) for image in noise])
    return np.clip(127 + 50 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def regions(count: int, size: tuple[int, int] = SIZE, seed: int = 1) -> np.ndarray:
    """Masks (count, H, W) of a few large regions."""
    return texture(count, size, seed=seed)[..., 0] // 52


def data_of(images: np.ndarray, masks: np.ndarray, *, classes: int = CLASSES, rare: int | None = None) -> TrialData:
    """Training data with background 0; class `rare` is in the objective alone, so that it is the rare one."""
    facts = DataFacts(
        channels=images.shape[-1],
        class_names=tuple(f"class {label}" for label in range(classes)),
        background=0,
        objective=(1, 2) if rare is None else (rare,),
        height=masks.shape[1],
        width=masks.shape[2],
        train_images=len(masks),
        validation_images=0,
        class_pixels=tuple(int((masks == label).sum()) for label in range(classes)),
        class_images=tuple(int((masks == label).any((1, 2)).sum()) for label in range(classes)),
    )
    samples = Samples(images=images, masks=masks)
    return TrialData(train=samples, validation=samples, facts=facts)
