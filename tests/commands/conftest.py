from pathlib import Path

import pytest

from tests.commands.studies import Commands, make_study


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(monkeypatch, capsys)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one study of five trials, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("results")
    make_study(folder)
    return folder
