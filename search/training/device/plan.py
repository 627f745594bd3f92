"""All that is drawn for an epoch on the host, before anything is computed."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import numpy as np

from search.training.device.geometry import Deformation, Geometry, draw_geometry
from search.training.device.light import Light, draw_light
from search.training.device.mixing import Mixing, draw_mixing
from search.training.device.pasting import Objects, Pasting, draw_pasting
from search.training.entries import DEVICE_DRAWS, generator_for
from spaces.config import AugmentConfig
from spaces.facts import DataFacts


class Stream(IntEnum):
    """What is drawn, each from a generator of its own."""

    PASTING = 0
    GEOMETRY = 1
    LIGHT = 2
    MIXING = 3
    ELASTIC_NOISE = 4
    SENSOR_NOISE = 5


def stream(seed: int, epoch: int, what: Stream) -> np.random.Generator:
    """The generator of one stream of an epoch."""
    return generator_for(seed, DEVICE_DRAWS, epoch, what)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What happens to n images, in this order; None where it happens to none."""

    pasting: Pasting | None
    geometry: Geometry
    light: Light
    mixing: Mixing | None

    def __getitem__(self, part: slice) -> Self:
        return type(self)(
            pasting=None if self.pasting is None else self.pasting[part],
            geometry=self.geometry[part],
            light=self.light[part],
            mixing=None if self.mixing is None else self.mixing[part],
        )

    @property
    def elastic_rows(self) -> np.ndarray:
        """Which images have an elastic deformation."""
        return np.flatnonzero(self.geometry.deformation == Deformation.ELASTIC)

    @property
    def noisy_rows(self) -> np.ndarray:
        """Which images have a sensor's noise."""
        return np.flatnonzero(self.light.noise)


def draw_plan(
    config: AugmentConfig, facts: DataFacts, objects: Objects | None, varied: np.ndarray, *, seed: int, epoch: int
) -> Plan:
    """The plan of an epoch of batches whose images are augmented where `varied` (steps, batch_size) bool."""
    size, each = (facts.height, facts.width), varied.ravel()
    pasting = mixing = None
    if objects is not None and len(objects):
        generator = stream(seed, epoch, Stream.PASTING)
        pasting = draw_pasting(objects, size, each & (generator.random(each.shape) < config.copy_paste), generator)
    if config.mixing != "none":
        mixing = draw_mixing(varied, size, facts.classes, stream(seed, epoch, Stream.MIXING))
    return Plan(
        pasting=pasting,
        geometry=draw_geometry(config, size, each, stream(seed, epoch, Stream.GEOMETRY)),
        light=draw_light(config, each, stream(seed, epoch, Stream.LIGHT)),
        mixing=mixing,
    )
