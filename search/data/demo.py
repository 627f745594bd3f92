"""The generated demo set: grey terrain of five classes that differ in texture, not in brightness.

It has what real sets have: an unlabelled class, a rare class, drives of neighbouring tiles, near-duplicates, and
outliers that share one alien mask. Everything follows from one seed.
"""

import numpy as np

from search.data.dataset import SegmentationData
from search.data.npz import BACKGROUND, MARS_CLASSES
from search.data.terrain import draw_terrain, region_masks

SEED = 20240
IMAGES = 408
OUTLIERS = 12
DUPLICATES = 14
DRIVES = 70
UNKNOWN_SHARE = 0.05
HEIGHT, WIDTH = 64, 128


def demo_data(seed: int = SEED) -> SegmentationData:
    """420 tiles (64, 128, 1) with masks, in shuffled order: 408 good ones, 14 of them near-duplicates, and 12 outliers.

    Class 0 is the background and ignored, as in the course's form; class 4 is rare.
    """
    rng = np.random.default_rng(seed)
    drives = np.sort(rng.integers(DRIVES, size=IMAGES + OUTLIERS))
    masks = region_masks(len(drives), HEIGHT, WIDTH, rng)
    images = draw_terrain(masks, drives, rng)
    outliers, copies, originals = np.split(
        rng.permutation(len(drives))[: OUTLIERS + 2 * DUPLICATES], [OUTLIERS, OUTLIERS + DUPLICATES]
    )
    images[copies], masks[copies] = near_copies(images[originals], rng), masks[originals]
    masks[outliers] = alien_mask()
    groups = np.where(rng.random(DRIVES) < UNKNOWN_SHARE, "", [f"drive {number:02d}" for number in range(DRIVES)])
    return SegmentationData(
        images=images[..., None],
        masks=masks,
        stems=tuple(f"demo_{index:04d}" for index in range(len(drives))),
        groups=tuple(str(group) or None for group in groups[drives]),
        class_names=MARS_CLASSES,
        labels=tuple(range(len(MARS_CLASSES))),
        background=BACKGROUND,
        ignored=(BACKGROUND,),
    )


def near_copies(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same scenes (N, H, W) taken a moment later: a little brighter or darker, with fresh noise."""
    shift = rng.integers(-6, 7, size=(len(images), 1, 1)) + rng.normal(0, 1.5, size=images.shape)
    return np.clip(np.rint(images + shift), 0, 255).astype(np.uint8)


def alien_mask() -> np.ndarray:
    """A mask (H, W) that has nothing to do with any image: a disc and two bands."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    mask = np.where(rows < HEIGHT // 3, 1, 2)
    mask[(rows - 40) ** 2 + (columns - 64) ** 2 < 15**2] = 3
    return mask.astype(np.uint8)
