import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search.data.dataset import SegmentationData
from search.data.demo import demo_data
from tests.commands.studies import Commands, make_study

if TYPE_CHECKING:
    from tests.commands.trained import Trial


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(monkeypatch, capsys)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one study, mars, of five trials, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("results")
    make_study(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, results: Path) -> Path:
    """A copy of that study, for tests that change it."""
    return shutil.copytree(results / "mars", tmp_path / "mars")


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two trials in a database outside its folder: one became NaN at once, one crashed twice."""
    folder = tmp_path_factory.mktemp("faulty")
    return make_study(folder, trials=2, faults=("nan 1 9", "error 1 9"), storage=f"sqlite:///{folder}/shared.db")


@pytest.fixture(scope="session")
def demo() -> SegmentationData:
    return demo_data()


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory, demo: SegmentationData) -> "Trial":
    """A trained trial, for tests that change nothing."""
    from tests.commands.trained import train_trial  # here: it imports torch, which most commands do without

    return train_trial(tmp_path_factory.mktemp("trial"), demo)
