"""A made-up study with real weights, a trial that was trained, and `run` in this process."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search.data.demo import demo_data
from search.tuning.reading import read_study
from search.tuning.trial_folder import WEIGHTS_NAME, trial_folder
from tests.commands.studies import make_study
from tests.interface.server import Server

if TYPE_CHECKING:
    from tests.commands.trained import Trial

STUDY = "unet_family-demo"


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one study of five trials, two of which have weights, for tests that change nothing."""
    from models.build import build_model
    from search.training.checkpoint import pack_weights

    results = tmp_path_factory.mktemp("interface") / "results"
    folder = make_study(results, STUDY)
    for record in read_study(folder).records:
        weights = trial_folder(folder, record.number) / WEIGHTS_NAME
        if weights.is_file():
            weights.write_bytes(pack_weights(build_model(record.config.model)))
    return results


@pytest.fixture
def place(made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a copy of that results folder."""
    shutil.copytree(made_up, tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> "Trial":
    """A trained trial, for tests that change nothing."""
    from tests.commands.trained import train_trial

    return train_trial(tmp_path_factory.mktemp("trial"), demo_data())


@pytest.fixture
def no_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` measures and trains in this process."""
    monkeypatch.setattr("search.interface.searching.ForkServer", Server)


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports leave out ONNX and torch.export, which take seconds and are tested elsewhere."""
    monkeypatch.setattr("search.selection.package.write.write_programs", lambda *arguments: ())
