"""Facts of made-up data sets, and points of spaces drawn without a sampler."""

import math
from typing import Any

import numpy as np
import pytest

from spaces.config import TrialConfig
from spaces.domains import Choice, Domain, Float, Scalar
from spaces.facts import DataFacts
from spaces.space import Params, SearchSpace


def facts(**changes: Any) -> DataFacts:
    """The course's data in small: 5 classes, a background that counts nowhere, one rare class."""
    values = {
        "channels": 1,
        "class_names": ("background", "soil", "bedrock", "sand", "big rock"),
        "background": 0,
        "ignored": (0,),
        "objective": (1, 2, 3, 4),
        "height": 64,
        "width": 128,
        "train_images": 100,
        "validation_images": 30,
        "class_pixels": (2000, 4000, 3000, 2500, 50),
        "class_images": (60, 80, 70, 50, 6),
    }
    return DataFacts.model_validate({**values, **changes})


def many_classes(count: int) -> dict[str, Any]:
    return {
        "class_names": tuple(f"class {index}" for index in range(count)),
        "objective": tuple(range(1, count)),
        "class_pixels": (100,) * count,
        "class_images": (50,) * count,
    }


VARIANTS = {
    "course": facts(),
    "no background": facts(background=None, ignored=()),
    "background that counts": facts(ignored=(), objective=(0, 1, 2, 3, 4)),
    "no rare class": facts(class_images=(60, 80, 70, 50, 40)),
    "three channels": facts(channels=3),
    "twenty classes": facts(**many_classes(20)),
    "two classes": facts(**many_classes(2), background=None, ignored=()),
    "small": facts(height=32, width=32),
    "tiny": facts(height=16, width=16),
    "odd": facts(height=60, width=100),
    "large": facts(height=256, width=256),
    "unlabelled": facts(unlabelled_images=200),
}


def draw(domain: Domain, generator: np.random.Generator) -> Scalar:
    """A value of `domain`, uniformly, on its own scale."""
    if isinstance(domain, Choice):
        return domain.labels[int(generator.integers(len(domain.labels)))]
    if isinstance(domain, Float):
        scale, back = (math.log, math.exp) if domain.log else (float, float)
        return min(max(back(generator.uniform(scale(domain.low), scale(domain.high))), domain.low), domain.high)
    return domain.low + domain.step * int(generator.integers((domain.high - domain.low) // domain.step + 1))


def sample(space: SearchSpace, seed: int) -> Params:
    generator = np.random.default_rng(seed)
    return space.sample(lambda _, domain: draw(domain, generator))


def close(config: TrialConfig) -> Any:
    """A configuration to compare with: the weights of a mixture pass through logarithms and lose the last bits."""
    return _approximately(config.model_dump())


def _approximately(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _approximately(child) for name, child in value.items()}
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
