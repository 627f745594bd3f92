"""The examples of the guides work as they stand there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from search.selection.package.write import write_package
from spaces.facts import DataFacts
from spaces.presets import build_space
from spaces.space import SearchSpace
from tests.policy.source import ROOT
from tests.selection.packages import SIZE, export_of, scene, tiny, write_predictor
from tests.spaces.sampling import draw, facts


@pytest.fixture
def example(tmp_path: Path) -> SearchSpace:
    """The space in docs/spaces.md, saved and named as the page says."""
    page = (ROOT / "docs/spaces.md").read_text(encoding="utf-8")
    (name,) = set(re.findall(r"my_space\.py:(\w+)", page))
    return saved(page, name, tmp_path / "my_space.py", facts())


def saved(page: str, name: str, file: Path, known: DataFacts) -> SearchSpace:
    """The space that the function `name` in a page builds."""
    codes = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (code,) = [code for code in codes if f"def {name}(" in code]
    file.write_text(code, encoding="utf-8")
    return build_space(f"{file}:{name}", known)


def test_the_lines_that_add_pseudo_labels_work(tmp_path: Path) -> None:
    page = (ROOT / "docs/spaces.md").read_text(encoding="utf-8")
    space = saved(page, "with_pseudo_labels", tmp_path / "own.py", facts(unlabelled_images=3))
    assert space.has_pseudo_labels
    assert space.points


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


def test_the_lines_that_use_a_package_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/export.md, with and without this tool, in a folder with an export and an image."""
    page = (ROOT / "docs/export.md").read_text(encoding="utf-8")
    program, weights = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    predictor = write_predictor(tmp_path / "weights", [tiny()])
    write_package(export_of(tmp_path / "weights", predictor), tmp_path / "best")
    Image.fromarray(scene(*SIZE)[..., 0]).save(tmp_path / "image.png")
    monkeypatch.chdir(tmp_path)
    alone: dict[str, Any] = {}
    exec(program, alone)
    own: dict[str, Any] = {}
    exec(weights, own)
    assert own["mask"].shape == SIZE
    classes = own["package"].preprocessing.classes
    assert alone["names"] == [classes[index].name for index in np.unique(own["mask"])]
    assert (alone["logits"].argmax(1)[0] != own["mask"]).mean() < 1e-3


def test_every_benchmark_has_a_row() -> None:
    page = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    scripts = {path.name for path in (ROOT / "benchmarks").glob("*.py") if "\ndef main(" in path.read_text()}
    assert set(re.findall(r"^\| `(\w+\.py)` \|", page, re.MULTILINE)) == scripts
