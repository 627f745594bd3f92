"""The examples of the docstrings and of docs/python.md work as they stand there."""

import doctest
import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import search
from search.interface.loading import load, load_model
from search.interface.model import Model
from search.interface.searching import run
from search.interface.study import Study
from tests.interface.conftest import STUDY
from tests.policy.source import ROOT

PAGE = (ROOT / "docs/python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
EXAMPLES = (run, load, load_model, Study.table, Study.export, Model.predict, Model.probabilities)


def test_docstrings_show_what_happens(place: Path, monkeypatch: pytest.MonkeyPatch, no_programs: None) -> None:
    """The search itself is left out: it is tested elsewhere."""
    study = load(STUDY)
    two = replace(study, trials=study.trials[:2])
    monkeypatch.setattr("search.interface.searching.search_with", lambda options, *, progress: two)
    names = {"run": run, "load": load, "load_model": load_model, "study": study, "model": load_model(STUDY)}
    names["image"] = np.zeros((64, 100, 1), np.uint8)
    for example in EXAMPLES:
        (test,) = doctest.DocTestFinder(recurse=False).find(example, example.__qualname__, globs=dict(names))
        report: list[str] = []
        result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
        assert result.attempted
        assert not result.failed, "".join(report)


def test_every_call_has_an_example() -> None:
    assert set(search.__all__) <= {example.__name__ for example in EXAMPLES}


def test_the_page_runs_from_top_to_bottom(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_programs: None
) -> None:
    """In one namespace, as someone types it; the searches themselves are left out, their arguments are not."""
    (place / "results" / STUDY).rename(place / "results/unet_family-mydata")
    Image.fromarray(np.zeros((64, 128), np.uint8)).save(place / "image.png")
    signature, calls = inspect.signature(run), []

    def pretended(**arguments: Any) -> Study:
        calls.append(signature.bind(**arguments).arguments)
        return load("unet_family-mydata")

    monkeypatch.setattr(search, "run", pretended)
    names: dict[str, Any] = {}
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"docs/python.md, block {number}", "exec"), names)
    assert sorted(calls[0]) == ["data", "time_budget"]
    assert len(calls) == PAGE.count("study = run(")
    assert [mask.shape for mask in names["model"].predict([names["image"]])] == [(64, 128)]
    assert names["shares"].shape == (64, 128, 3)
    assert len(names["trials"]) == 5
    assert "there is no study 'a-study-that-is-not-there'; studies under results: " in capsys.readouterr().out


def test_the_page_names_what_a_study_has() -> None:
    named = set(re.findall(r"`study\.(\w+)", PAGE))
    assert named
    assert not [name for name in named if not hasattr(Study, name) and name not in Study.__dataclass_fields__]
