"""Every configuration that a search begins with builds and trains a step."""

import numpy as np
import pytest
import torch

from search.data.samples import Samples, TrialData
from search.training.compute import Compute
from search.training.loop import Trial
from spaces.all_families import all_families
from spaces.config import TrialConfig
from spaces.facts import DataFacts
from spaces.presets import PRESETS
from spaces.seed_systems import seed_systems
from spaces.unet_family import unet_family

HEIGHT, WIDTH, IMAGES = 64, 128, 2
"""The size of the Mars tiles, where networks work on patches by default, and one small batch."""


def facts(channels: int, classes: int, background: int | None) -> DataFacts:
    names = tuple(f"class {index}" for index in range(classes))
    return DataFacts(
        channels=channels,
        class_names=names,
        background=background,
        ignored=() if background is None else (background,),
        objective=tuple(index for index in range(classes) if index != background),
        height=HEIGHT,
        width=WIDTH,
        train_images=IMAGES,
        validation_images=IMAGES,
        class_pixels=(1000,) * classes,
        class_images=(IMAGES,) * classes,
    )


def data(known: DataFacts) -> TrialData:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (IMAGES, HEIGHT, WIDTH, known.channels), np.uint8)
    masks = generator.integers(0, known.classes, (IMAGES, HEIGHT, WIDTH), np.uint8)
    samples = Samples(images=images, masks=masks)
    return TrialData(train=samples, validation=samples, facts=known)


def step(config: TrialConfig, known: DataFacts) -> None:
    trial = Trial(config, data(known), Compute(device=torch.device("cpu"), precision="float32"))
    before = [parameter.detach().clone() for parameter in trial.model.parameters()]
    report = trial.train_epoch()
    assert np.isfinite(report.train_loss)
    assert 0 <= report.miou <= 1
    moved = [not torch.equal(old, new) for old, new in zip(before, trial.model.parameters(), strict=True)]
    assert np.mean(moved) > 0.6  # a residual branch whose last scale starts at zero lets no gradient through yet


COURSE = facts(channels=1, classes=5, background=0)
POINTS = {f"{name} default": preset(COURSE).default for name, preset in PRESETS.items()} | {
    name: point.config for preset in (all_families, seed_systems) for name, point in preset(COURSE).points.items()
}


@pytest.mark.parametrize("config", POINTS.values(), ids=list(POINTS))
def test_a_named_point_builds_and_takes_a_step(config: TrialConfig) -> None:
    step(config, COURSE)


@pytest.mark.parametrize(
    "known",
    [facts(channels=3, classes=20, background=None), facts(channels=4, classes=2, background=None)],
    ids=["20 classes in colour", "2 classes in 4 channels"],
)
def test_the_default_of_other_data_takes_a_step(known: DataFacts) -> None:
    step(unet_family(known).default, known)
