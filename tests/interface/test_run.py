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
from search.tuning.options import Budget, Execution, Networks, RunOptions, What
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
    tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as notebooks do
    first = searched(tiles, tmp_path, progress=True)
    assert first.folder == tmp_path / "tiny-tiles"
    assert [record.state for record in first.trials] == ["COMPLETE"]
    assert not first.interrupted
    assert not first.running
    assert first == load("tiny-tiles", tmp_path)
    screen = capsys.readouterr().out
    assert "reading the data ..." in screen
    assert "\ntrial   0  mIoU 0." in screen
    assert "# take the best" in screen
    assert "\x1b" not in screen, "lines without colours, where there is no terminal"

    interrupt_at_message(3, monkeypatch)
    second = searched(tiles, tmp_path, trials=5)
    assert second.trials[0] == first.trials[0]
    assert second.interrupted
    assert [record.state for record in second.trials] == ["COMPLETE", "COMPLETE", "WAITING"]
    assert second.counts == {"complete": 2, "to be continued": 1}
    assert second.best is not None
    assert second.best.miou == max(record.best_value or 0 for record in second.trials)
    assert capsys.readouterr() == ("", "")

    with pytest.raises(StudyError, match=r"another one:(.|\n)*  seed: the study has 0, asked for 1"):
        searched(tiles, tmp_path, seed=1)


def interrupt_at_message(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when a trial tells its `number`th message."""
    told: list[int] = []
    original = Engine.receive

    def receive(engine: Engine, trial: int, message: Any) -> bool:
        told.append(trial)
        if len(told) == number:
            raise KeyboardInterrupt
        return original(engine, trial, message)

    monkeypatch.setattr(Engine, "receive", receive)


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
    "one side": ({"input_size": 64}, UserError, "--input-size is auto or HEIGHTxWIDTH.* got '64'"),
    "no tracker": ({"track": None}, UserError, "track: Input should be a valid tuple, got None"),
    "a tracker's number": ({"track": 5}, UserError, "track: Input should be a valid tuple, got 5"),
    "a tracker": ({"track": "visdom"}, UserError, "track: Input should be 'tensorboard',.*got 'visdom'"),
    "no weights": ({"pretrained": None}, UserError, "pretrained: Input should be a valid string, got None"),
    "an empty path": ({"data": ""}, UserError, "data is a file or a folder, or None for the .* demo set, got ''"),
    "a share": ({"gpus_per_trial": -0.5}, UserError, "--gpus-per-trial is auto or a number from 0"),
    "no data": ({"data": "none.npz"}, DataError, "there is no file or folder none.npz"),
    "an unknown space": ({"space": "unet_famly"}, SpaceError, "unet_family"),
    "a name": ({"study": "../out"}, StudyError, "a study's name is made of letters"),
}


@pytest.mark.parametrize(("arguments", "kind", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_a_user_error(
    tiles: Path, tmp_path: Path, monkeypatch, arguments: dict[str, Any], kind: type[UserError], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=message):
        run(**{"data": tiles / "tiles.npz", "progress": False, **arguments})
    assert not list(tmp_path.iterdir())


def test_what_python_writes_otherwise_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[RunOptions] = []
    monkeypatch.setattr("search.interface.searching.search_with", lambda options, *, progress: asked.append(options))
    run(data="a.npz", input_size=(32, 64), time_budget=0.5, concurrency=1, gpus_per_trial=0, results="there")
    (options,) = asked
    assert (options.what.data, options.what.results) == (Path("a.npz"), Path("there"))
    assert (options.input_size, options.time_budget) == ((32, 64), 0.5)
    assert (options.concurrency, options.gpus_per_trial) == (1, 0.0)
    run()
    assert asked[1] == RunOptions()
    run(input_size=[32, 64], track="tensorboard", pretrained=Path("a.safetensors"))
    assert (asked[2].input_size, asked[2].execution.track) == ((32, 64), ("tensorboard",))
    assert asked[2].what.pretrained == "a.safetensors"
