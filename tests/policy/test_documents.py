"""The complete example of the guide works as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest

from spaces.presets import build_space
from spaces.space import SearchSpace
from tests.policy.source import ROOT
from tests.spaces.sampling import draw, facts


@pytest.fixture
def example(tmp_path: Path) -> SearchSpace:
    """The space in docs/spaces.md, saved and named as the page says."""
    page = (ROOT / "docs/spaces.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (name,) = set(re.findall(r"my_space\.py:(\w+)", page))
    file = tmp_path / "my_space.py"
    file.write_text(code, encoding="utf-8")
    return build_space(f"{file}:{name}", facts())


def test_every_point_of_the_example_is_a_configuration(example: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        params = example.sample(lambda _, domain: draw(domain, rng))
        config = example.decode(params)
        assert example.decode(example.encode(config)).model == config.model


def test_the_examples_default_and_named_point_are_in_it(example: SearchSpace) -> None:
    assert example.default.loss.weights == {"cross_entropy": 0.5, "dice": 0.5}
    (point,) = example.points.values()
    assert example.decode(example.encode(point.config)) == point.config


def test_the_example_prints_every_dimension_it_promises(example: SearchSpace) -> None:
    text = "\n".join(example.lines)
    assert "if group" in text
    assert "deep_supervision: off or on" in text
    assert "a mixture of dice, focal, cross_entropy" in text
