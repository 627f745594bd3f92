"""Random motions and deformations of images, drawn on the host for a whole epoch at once.

The distributions are those of albumentations 2.0.8 as `search.training.augmentation` uses it, its peculiarities
included. All maps go from a pixel of the result to the place (x, y) in pixels that it is taken from.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import numpy as np

from search.training.amounts import DEFORMED, FLIPPED, GRID_STEPS, MOVED, Amounts, Range
from spaces.config import AugmentConfig


class Deformation(IntEnum):
    """The deformation of an image."""

    NONE = 0
    ELASTIC = 1
    GRID = 2
    LENS = 3
    PERSPECTIVE = 4


DEFORMATIONS = (Deformation.ELASTIC, Deformation.GRID, Deformation.LENS, Deformation.PERSPECTIVE)


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What happens to n images, in this order: mirrored, then moved, then deformed.

    - `across`, `down` (n,) bool: mirrored left to right, top to bottom.
    - `moved` (n,) bool, and `motions` (n, 3, 3): affine maps.
    - `deformation` (n,): of `Deformation`; parameters of another one than an image has are not used.
    - `columns`, `rows` (n, GRID_STEPS + 1): how far each cell of a distorted grid reaches, in cells.
    - `lens` (n,): coefficients of radial distortion.
    - `tilts` (n, 3, 3): homographies.
    """

    across: np.ndarray
    down: np.ndarray
    moved: np.ndarray
    motions: np.ndarray
    deformation: np.ndarray
    columns: np.ndarray
    rows: np.ndarray
    lens: np.ndarray
    tilts: np.ndarray

    @property
    def warped(self) -> np.ndarray:
        """(n,) bool: whether an image has to be interpolated."""
        return self.moved | (self.deformation != Deformation.NONE)

    def __getitem__(self, part: slice | np.ndarray) -> Self:
        return type(self)(
            across=self.across[part],
            down=self.down[part],
            moved=self.moved[part],
            motions=self.motions[part],
            deformation=self.deformation[part],
            columns=self.columns[part],
            rows=self.rows[part],
            lens=self.lens[part],
            tilts=self.tilts[part],
        )


def draw_geometry(
    config: AugmentConfig, size: tuple[int, int], varied: np.ndarray, generator: np.random.Generator
) -> Geometry:
    """What happens to images of `size` (height, width) where `varied` (n,) bool, nothing to the others."""
    count, amounts = len(varied), Amounts(config.strength)
    flips = varied & (config.geometric != "none")
    moves = varied & (config.strength > 0 and config.geometric in ("mild", "complex"))
    deformed = moves & (config.geometric == "complex") & (generator.random(count) < DEFORMED)
    return Geometry(
        across=flips & (generator.random(count) < FLIPPED),
        down=flips & config.vertical_flip & (generator.random(count) < FLIPPED),
        moved=moves & (generator.random(count) < MOVED),
        motions=draw_motions(amounts, size, count, generator),
        deformation=np.where(deformed, generator.choice(DEFORMATIONS, count), Deformation.NONE),
        columns=draw_steps(amounts.grid, size[1], count, generator),
        rows=draw_steps(amounts.grid, size[0], count, generator),
        lens=generator.uniform(*amounts.lens, count),
        tilts=draw_tilts(amounts.tilt, size, count, generator),
    )


def draw_motions(amounts: Amounts, size: tuple[int, int], count: int, generator: np.random.Generator) -> np.ndarray:
    """Zoom of each axis, rotation about the middle, then a shift by whole pixels: (count, 3, 3)."""
    height, width = size
    zooms = generator.uniform(*amounts.zoom, (count, 2))
    angles = np.deg2rad(generator.uniform(*amounts.rotation, count))
    shifts = np.trunc(generator.uniform(*amounts.shift, (count, 2)) * (width, height))
    forward = np.zeros((count, 3, 3))
    forward[:, 0, 0] = zooms[:, 0] * np.cos(angles)
    forward[:, 0, 1] = zooms[:, 1] * np.sin(angles)
    forward[:, 1, 0] = -zooms[:, 0] * np.sin(angles)
    forward[:, 1, 1] = zooms[:, 1] * np.cos(angles)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    forward[:, :2, 2] = middle + shifts - forward[:, :2, :2] @ middle
    forward[:, 2, 2] = 1
    return np.linalg.inv(forward)


def draw_steps(change: Range, length: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """How many cells each cell of an axis of `length` pixels reaches, scaled to fill it: (count, GRID_STEPS + 1).

    The last cell is what is left over, narrower than the others and often empty.
    """
    cell = length // GRID_STEPS
    steps = 1 + generator.uniform(*change, (count, GRID_STEPS + 1))
    steps[:, -1] *= (length - GRID_STEPS * cell) / cell
    return steps * (length / cell / steps.sum(1, keepdims=True))


def draw_tilts(scale: Range, size: tuple[int, int], count: int, generator: np.random.Generator) -> np.ndarray:
    """Each corner of the result is taken from a random place near that corner: homographies (count, 3, 3).

    Result and corners are then enlarged by the ratio of the image to the longest sides of the quadrangle, from the top
    left corner on. (The library scales twice where it keeps the size; the tests hold us to it.)
    """
    height, width = size
    deviations = generator.uniform(*scale, count)
    jitter = np.abs(generator.normal(size=(count, 4, 2)) * deviations[:, None, None]) % 0.32
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) + jitter * [(1, 1), (-1, 1), (-1, -1), (1, -1)]
    corners *= (width, height)
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)  # top, right, bottom, left
    widest, tallest = np.maximum(sides[:, 0], sides[:, 2]).astype(int), np.maximum(sides[:, 1], sides[:, 3]).astype(int)
    scales = np.ones((count, 1, 3))
    scales[:, 0, 0], scales[:, 0, 1] = widest / width**2, tallest / height**2
    return _unit_square_to(corners) * scales


def _unit_square_to(corners: np.ndarray) -> np.ndarray:
    """Homographies (n, 3, 3) from the unit square to `corners` (n, 4, 2), clockwise from its origin (Heckbert 1989)."""
    first, second, third, fourth = np.moveaxis(corners, 1, 0)
    right, below, excess = second - third, fourth - third, first - second + third - fourth
    determinant = _cross(right, below)
    across, down = _cross(excess, below) / determinant, _cross(right, excess) / determinant
    matrices = np.ones((len(corners), 3, 3))
    matrices[:, :2, 0] = second - first + across[:, None] * second
    matrices[:, :2, 1] = fourth - first + down[:, None] * fourth
    matrices[:, :2, 2] = first
    matrices[:, 2, 0], matrices[:, 2, 1] = across, down
    return matrices


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
