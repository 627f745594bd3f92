"""Pictures and costs that a dashboard makes of what a search has left."""

import io
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import pytest
from PIL import Image

from models.cost import measure_cost
from search.tuning.board import artist, drawing
from search.tuning.board.drawing import Painter
from search.tuning.folder import append_run
from search.tuning.trial_folder import WEIGHTS_NAME, trial_folder
from tests.commands.studies import records_of
from tests.tuning.board.asking import Board
from tests.tuning.in_this_process import InThisProcess, Object
from tests.tuning.whole_search import asked, search, write_place


class Server(InThisProcess):
    """Stands for `ForkServer` and counts how often one was started."""

    started = 0

    def __init__(self, modules: tuple[str, ...]) -> None:
        Server.started += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to end."""

    def start(
        self, factory: Callable[..., Any], *arguments: Any, environment: Mapping[str, str] | None = None
    ) -> Object:
        assert environment == {"CUDA_VISIBLE_DEVICES": ""}
        return super().start(factory, *arguments)


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "ForkServer", Server)
    monkeypatch.setattr(artist.os, "nice", lambda _: 0)
    Server.started = 0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two trained networks, and its data."""
    folder = write_place(tmp_path_factory.mktemp("place"))
    search(asked(folder))
    return folder


@pytest.fixture
def folder(place: Path) -> Path:
    return place / "results/tiny-tiles"


def painter(board: Board) -> Painter:
    return Painter(board.storage, board.pages, threading.Event())


def test_what_is_missing_is_made_once(folder: Path, place: Path) -> None:
    board = Board(folder)
    painter(board).catch_up()
    for record in records_of(folder):
        trial = board.trial(record.number)
        facts = board.pages.spec.facts
        cost = measure_cost(record.config.model, facts.height, facts.width)
        shown = {entry["key"]: entry["value"] for entry in trial["user_attrs"]}
        assert (shown["parameters"], shown["multiply-adds"]) == (str(cost.parameters), str(cost.macs))
        picture = trial["artifacts"][0]
        assert picture["filename"] == "predictions-epoch-001.png"
        content = board.ask(f"/artifacts/{board.study_id}/{trial['trial_id']}/{picture['artifact_id']}").body
        assert Image.open(io.BytesIO(content)).size[0] > 1000
    assert Server.started == 1
    painter(board).catch_up()
    painter(Board(folder)).catch_up()
    assert Server.started == 1


def test_spoiled_weights_are_left_out(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search(asked(write_place(tmp_path)))
    folder = tmp_path / "results/tiny-tiles"
    (trial_folder(folder, 0) / WEIGHTS_NAME).write_bytes(b"spoiled")
    board = Board(folder)
    busy = painter(board)
    busy.catch_up()
    busy.catch_up()
    assert Server.started == 1
    assert [len(trial["artifacts"]) for trial in board.detail["trials"]] == [2, 3]
    assert capsys.readouterr().err == ""


def test_other_data_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search(asked(write_place(tmp_path)))
    folder = tmp_path / "results/tiny-tiles"
    append_run(folder, {"data": str(tmp_path / "gone.npz"), "storage": None})
    board = Board(folder)
    busy = painter(board)
    busy.catch_up()
    busy.catch_up()
    assert Server.started == 1
    assert set(board.pages.costs) == {0, 1}
    assert capsys.readouterr().err == f"no pictures are drawn: there is no file or folder {tmp_path}/gone.npz\n"


def test_it_ends_when_the_study_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search(asked(write_place(tmp_path), trials=1))
    board = Board(tmp_path / "results/tiny-tiles")
    monkeypatch.setattr(drawing, "PAUSE", 0.01)

    def gone(self: Painter) -> None:
        (tmp_path / "results").rename(tmp_path / "elsewhere")
        raise FileNotFoundError("artifacts")

    monkeypatch.setattr(Painter, "catch_up", gone)
    with drawing.drawing(board.storage, board.pages):
        for thread in threading.enumerate():
            if thread.name == "drawing":
                thread.join(timeout=10)
                assert not thread.is_alive()
