"""`run` searches as the command does, and gives back the study."""

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from search.errors import DataError, SpaceError, StudyError, UserError
from search.interface.loading import load
from search.interface.searching import run
from search.interface.study import Study
from search.tuning.engine import Engine
from search.tuning.options import Budget, Execution, Networks, What
from tests.tuning.whole_search import write_place

pytestmark = pytest.mark.usefixtures("no_forks")


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_place(tmp_path_factory.mktemp("run"))


def searched(tiles: Path, results: Path, *, progress: bool = False, trials: int = 1, seed: int = 0) -> Study:
    return run(
        space=f"{tiles / 'own.py'}:tiny",
        data=tiles / "tiles.npz",
        results=results,
        trials=trials,
        max_epochs=1,
        seed=seed,
        executor="local",
        precision="float32",
        layout="contiguous",
        progress=progress,
    )


def test_the_arguments_are_the_commands_options() -> None:
    options = {
        field.name: getattr(group(), field.name)
        for group in (What, Budget, Networks, Execution)
        for field in fields(group)
    }
    del options["dry_run"]  # a plan is no study
    parameters = inspect.signature(run).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items() if name != "progress"}
    assert {name: str(value) for name, value in defaults.items()} == {
        name: str(value) for name, value in options.items()
    }
    assert list(defaults) == list(options)
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in parameters.values())


def test_a_search_gives_its_study_and_the_same_call_continues_it(
    tiles: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = searched(tiles, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert first.folder == tmp_path / "tiny-tiles"
    assert [record.state for record in first.trials] == ["COMPLETE"]
    assert not first.interrupted
    assert not first.running
    assert first == load("tiny-tiles", tmp_path)

    second = searched(tiles, tmp_path, trials=2)
    assert len(second.trials) == 2
    assert second.trials[0] == first.trials[0]
    assert second.best is not None
    assert second.best.miou == max(record.best_value or 0 for record in second.trials)
    with pytest.raises(StudyError, match="exists and is another one:\n  seed: the study has 0, asked for 1"):
        searched(tiles, tmp_path, seed=1)


def test_progress_is_lines_without_colours_where_there_is_no_terminal(
    tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as notebooks do
    searched(tiles, tmp_path, progress=True)
    screen = capsys.readouterr().out
    assert "reading the data ..." in screen
    assert "\ntrial   0  mIoU 0." in screen
    assert "# take the best" in screen
    assert "\x1b" not in screen


def test_an_interrupt_gives_the_study_so_far(tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def receive(engine: Engine, number: int, message: Any) -> bool:
        told.append(number)
        if len(told) == 3:
            raise KeyboardInterrupt
        return original(engine, number, message)

    original = Engine.receive
    monkeypatch.setattr(Engine, "receive", receive)
    study = searched(tiles, tmp_path, trials=5)
    assert study.interrupted
    assert [record.state for record in study.trials] == ["COMPLETE", "WAITING"]
    assert study.counts == {"complete": 1, "to be continued": 1}
    assert (study.folder / "best.yaml").is_file()


def test_an_interrupt_before_the_first_trial_is_one(tiles: Path, tmp_path: Path, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("search.terminal.running.prepare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        searched(tiles, tmp_path)
    assert not list(tmp_path.iterdir())


MISTAKES: dict[str, tuple[dict[str, Any], type[UserError], str]] = {
    "a choice": ({"executor": "dask"}, UserError, "executor: Input should be 'ray' or 'local', got 'dask'"),
    "a kind": ({"trials": "many"}, UserError, "trials: Input should be a valid integer"),
    "two at once": ({"seed": 0.5, "data": 3}, UserError, "data: (.|\n)*seed: "),
    "a value": ({"trials": 0}, UserError, "--trials must be at least 1, got 0"),
    "a time": ({"time_budget": -3}, UserError, "--time-budget is a time over zero such as 90s, 20m or 1.5h, got '-3'"),
    "a size": ({"input_size": (64, 128, 3)}, UserError, "--input-size is auto or HEIGHTxWIDTH.* got '64x128x3'"),
    "a share": ({"gpus_per_trial": -0.5}, UserError, "--gpus-per-trial is auto or a number from 0"),
    "no data": ({"data": "none.npz"}, DataError, "there is no file or folder none.npz"),
    "an unknown space": ({"space": "unet_famly", "data": None}, SpaceError, "unet_family"),
    "a name": ({"study": "../out"}, StudyError, "a study's name is made of letters"),
}


@pytest.mark.parametrize(("arguments", "kind", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_a_user_error(
    tmp_path: Path, monkeypatch, arguments: dict[str, Any], kind: type[UserError], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=message):
        run(progress=False, **arguments)
    assert not list(tmp_path.iterdir())


def test_what_python_writes_otherwise_is_taken(tiles: Path, tmp_path: Path) -> None:
    study = run(
        space=f"{tiles / 'own.py'}:tiny",
        data=str(tiles / "tiles.npz"),
        results=str(tmp_path),
        input_size=(32, 32),
        concurrency=1,
        gpus_per_trial=0,
        time_budget=0.001,
        max_epochs=1,
        executor="local",
        precision="float32",
        layout="contiguous",
        progress=False,
    )
    assert study.input_size == (32, 32)
    assert study.best is None
    assert repr(study) == "<Study tiny-tiles: trials 0, no epoch yet>"
