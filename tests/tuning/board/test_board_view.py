"""What optuna-dashboard shows of a study through our view of its storage."""

import csv
import io
import shutil
import sqlite3
from pathlib import Path
from xml.etree import ElementTree

import pytest

from search.tuning.board.facts import NetworkCost
from search.tuning.board.view import ReadOnlyError
from search.tuning.engine import Engine, RunLimits
from search.tuning.folder import create_folder, locked
from search.tuning.storage import DATABASE_NAME
from tests.commands.studies import make_study, records_of
from tests.tuning.board.asking import Board, attributes
from tests.tuning.made_up import SPACE, report, spec, study_in

FAULTS = ("error 1 9", "nan 3 1", "memory 1 1")
"""Of trials 0, 1 and 2: a crash for good, a loss that is not finite, no memory."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of seven trials, three of which failed."""
    return make_study(tmp_path_factory.mktemp("results"), trials=7, faults=FAULTS)


@pytest.fixture
def board(folder: Path) -> Board:
    return Board(folder)


def contents(folder: Path) -> list[str]:
    with sqlite3.connect(folder / DATABASE_NAME) as connection:
        return list(connection.iterdump())


def test_trials_that_cannot_be_trained_are_marked(folder: Path, board: Board) -> None:
    """optuna-dashboard 0.21 looks for constraints where Optuna 5 no longer puts them: without us it shows none."""
    feasible = [all(value <= 0 for value in trial["constraints"]) for trial in board.detail["trials"]]
    assert feasible == [record.feasible for record in records_of(folder)] == [True, False, False, *[True] * 4]
    stored = board.plain.get_all_trials(board.study_id)
    assert all("constraints" not in trial.system_attrs for trial in stored)


def test_columns_are_numbers_and_words(folder: Path, board: Board) -> None:
    for trial, record in zip(board.detail["trials"], records_of(folder), strict=True):
        shown = attributes(trial)
        assert shown["ended"] == record.ending
        if record.values:
            assert float(shown["best mIoU"]) == record.best_value
            assert int(shown["best epoch"]) == record.best_epoch
            assert (shown["IoU soil"], shown["IoU rock"]) == ("0.5", "0.5")
            assert float(shown["seconds"]) == pytest.approx(record.seconds, abs=0.01)
    assert attributes(board.trial(0))["reason"] == "RuntimeError: a bug in the model"
    keys = {entry["key"]: entry["sortable"] for entry in board.detail["union_user_attrs"]}
    assert not {"config", "curve"} & set(keys)
    assert [keys[name] for name in ("best mIoU", "best epoch", "seconds", "ended")] == [True, True, True, False]
    assert board.detail["objective_names"] == ["validation mIoU"]


def test_costs_are_columns_once_they_are_known(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "mars")
    board = Board(copy)
    assert "parameters" not in attributes(board.trial(3))
    board.pages.add_costs({3: NetworkCost(parameters=1234, macs=56_000_000)})
    assert attributes(board.trial(3))["parameters"] == "1234"
    assert attributes(Board(copy).trial(3))["multiply-adds"] == "56000000"
    assert "1.23 k parameters, 56 M multiply-adds at 64 x 128 pixels" in board.trial(3)["note"]["body"]


def test_notes_say_how_trials_ended(folder: Path, board: Board) -> None:
    notes = [trial["note"]["body"] for trial in board.detail["trials"]]
    assert "It failed: RuntimeError\\: a bug in the model" in notes[0]
    assert '    raise RuntimeError("a bug in the model")' in notes[0]
    assert "It failed: the loss became nan in epoch 2" in notes[1]
    for record, note in zip(records_of(folder), notes, strict=True):
        if record.ending == "pruned":
            assert f"It was pruned at epoch {record.epochs}: its best value was not in the best 1/3" in note
        if record.ending == "complete":
            assert "It trained all of its 9 epochs." in note
        if record.values:
            assert f"Best validation mIoU {record.best_value:.4f} at epoch {record.best_epoch}" in note
            assert "| class | IoU |\n| :-- | --: |\n| soil | 0\\.5000 |\n| rock | 0\\.5000 |" in note
    assert {record.ending for record in records_of(folder)} == {"complete", "pruned", "failed"}


def test_the_note_of_the_study(folder: Path, board: Board) -> None:
    note = board.detail["note"]["body"]
    best = max((r for r in records_of(folder) if r.feasible), key=lambda record: record.best_value or 0)
    assert f"**Best so far: trial {best.number}, validation mIoU {best.best_value:.4f}**" in note
    assert "- value: mean IoU over soil, rock, of all validation pixels together; pixels of background" in note
    assert "pruned at epochs 1, 3 unless among the best 1/3" in note
    shown = attributes(board.detail)
    assert (shown["space"], shown["data"], shown["rungs"]) == ("small", "fake", "1, 3")
    assert (shown["classes that count"], shown["validation images"]) == ("soil, rock", "4")


def test_of_several_objectives_notes_say_by_what_trials_were_judged(tmp_path: Path) -> None:
    url = f"journal://{tmp_path / 'trials.log'}"
    folder = make_study(tmp_path, trials=6, storage=url, objectives=("miou", "latency"), max_params=2_900_000_000)
    board = Board(folder)
    note = board.detail["note"]["body"]
    assert "- objectives: mIoU and latency (ms); costs are those of one image" in note
    assert "pruned at epochs 1, 3 unless among the best 1/3, by fronts of mIoU and latency (ms)" in note
    assert "- networks: at most 2.9 G parameters" in note
    pruned = [record.number for record in records_of(folder) if record.ending == "pruned"]
    assert pruned
    for number in pruned:
        assert (
            "by fronts of mIoU and latency (ms), it was not in the best 1/3 of all values there."
            in board.trial(number)["note"]["body"]
        )


def test_the_learning_curve_is_a_figure_and_a_table(folder: Path, board: Board) -> None:
    record = next(record for record in records_of(folder) if record.ending == "complete")
    trial = board.trial(record.number)
    assert [artifact["filename"] for artifact in trial["artifacts"]] == ["learning-curve.svg", "learning-curve.csv"]
    figure, table = (
        board.ask(f"/artifacts/{board.study_id}/{trial['trial_id']}/{artifact['artifact_id']}")
        for artifact in trial["artifacts"]
    )
    assert figure.headers["Content-Type"] == "image/svg+xml"
    drawn = ElementTree.fromstring(figure.body)
    lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len(line.attrib["points"].split()) for line in lines] == [record.epochs] * 6  # 2 classes twice, mIoU, loss
    assert table.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.body.decode())))
    assert [(int(row["epoch"]), float(row["mIoU"])) for row in rows] == [
        (epoch, pytest.approx(value, abs=1e-6)) for epoch, value in record.values.items()
    ]
    assert (
        f"](/artifacts/{board.study_id}/{trial['trial_id']}/{trial['artifacts'][0]['artifact_id']})"
        in (trial["note"]["body"])
    )


def test_the_best_picture_is_an_artifact(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "mars")
    record = next(record for record in records_of(copy) if record.ending == "complete")
    pictures = copy / "trials" / f"{record.number:04d}" / "pictures"
    pictures.mkdir()
    for epoch in (3, 6):
        (pictures / f"epoch-{epoch:03d}.png").write_bytes(b"PNG %d" % epoch)
    board = Board(copy)
    trial = board.trial(record.number)
    (picture, *_) = trial["artifacts"]
    assert (picture["filename"], picture["mimetype"]) == ("predictions-epoch-006.png", "image/png")
    address = f"/artifacts/{board.study_id}/{trial['trial_id']}/{picture['artifact_id']}"
    assert board.ask(address).body == b"PNG 6"
    assert trial["note"]["body"].index(address) < trial["note"]["body"].index("Learning curve")


def test_looking_changes_nothing(folder: Path, board: Board) -> None:
    before = contents(folder)
    assert board.detail["trials"]
    for plot in ("history", "slice", "timeline", "rank"):
        board.ask(f"/api/studies/{board.study_id}/plot/{plot}")
    board.ask(f"/api/studies/{board.study_id}/param_importances")
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("DELETE", "/api/studies/{study}", {}),
        ("POST", "/api/studies/{study}/rename", {"study_name": "venus"}),
        ("POST", "/api/studies", {"study_name": "new", "directions": ["maximize"]}),
        ("POST", "/api/trials/1/tell", {"state": "Fail"}),
        ("POST", "/api/trials/1/user-attrs", {"user_attrs": {"a": 1}}),
    ],
)
def test_nothing_that_changes_the_study_is_done(
    folder: Path, board: Board, method: str, path: str, content: object
) -> None:
    before = contents(folder)
    answer = board.ask(path.format(study=board.study_id), method, content)
    assert answer.status == 403
    assert "search.delete removes a study" in answer.json["reason"]
    assert contents(folder) == before


def test_a_note_of_the_users_own_is_kept(tmp_path: Path) -> None:
    folder = make_study(tmp_path, trials=2)
    board = Board(folder)
    trial = board.trial(1)
    address = f"/api/studies/{board.study_id}/{trial['trial_id']}/note"
    assert trial["note"]["version"] == 0
    assert board.ask(address, "PUT", {"version": 1, "body": "mine"}).status == 204
    assert Board(folder).trial(1)["note"] == {"version": 1, "body": "mine"}
    assert "Best validation mIoU" in board.trial(0)["note"]["body"]
    assert board.ask(address, "PUT", {"version": 1, "body": "late"}).status == 409
    assert board.ask(address, "PUT", {"version": 2, "body": ""}).status == 204
    again = Board(folder).trial(1)["note"]
    assert again["version"] == 2
    assert "Best validation mIoU" in again["body"]
    study = f"/api/studies/{board.study_id}/note"
    assert board.ask(study, "PUT", {"version": 1, "body": "about all " * 500}).status == 204
    assert Board(folder).detail["note"]["body"] == "about all " * 500


def test_a_file_of_the_users_own_is_kept(tmp_path: Path) -> None:
    folder = make_study(tmp_path, trials=1)
    board = Board(folder)
    upload = {"file": "data:text/plain;base64,aGVsbG8=", "filename": "hello.txt"}
    added = board.ask(f"/api/artifacts/{board.study_id}", "POST", upload)
    assert added.status == 201
    name = added.json["artifact_id"]
    assert (folder / "artifacts" / name).read_bytes() == b"hello"
    assert Board(folder).ask(f"/artifacts/{board.study_id}/{name}").body == b"hello"
    shown = board.trial(0)
    curve = shown["artifacts"][0]["artifact_id"]
    assert board.ask(f"/api/artifacts/{board.study_id}/{shown['trial_id']}/{curve}", "DELETE").status == 404
    assert board.ask(f"/api/artifacts/{board.study_id}/{name}", "DELETE").status == 204
    assert not (folder / "artifacts" / name).exists()


def test_pages_follow_a_search_that_runs(tmp_path: Path) -> None:
    create_folder(tmp_path)
    engine = Engine(study_in(tmp_path), SPACE, spec(), tmp_path, RunLimits(trials=None, deadline=None, keep=1))
    assignment = engine.next_trial()
    assert assignment is not None
    board = Board(tmp_path, spec=spec())
    with locked(tmp_path):
        assert "It is training: 0 of 9 epochs are done." in board.trial(0)["note"]["body"]
        assert board.trial(0)["artifacts"] == []
        engine.receive(0, report(1, 0.25))
        first = board.trial(0)
        assert attributes(first)["best mIoU"] == "0.25"
        engine.receive(0, report(2, 0.5))
        second = board.trial(0)
    assert "It is training: 2 of 9 epochs are done." in second["note"]["body"]
    assert attributes(second)["ended"] == "running"
    known = [[board.storage.artifact(shown["artifact_id"]) for shown in each["artifacts"]] for each in (first, second)]
    assert known[0] == [None, None], "what nobody asks for again is not kept"
    assert None not in known[1]
    killed = board.trial(0)
    assert "the next run of the search continues it after epoch 2" in killed["note"]["body"]
    assert attributes(killed)["ended"] == "to be continued"
    engine.release_live()
    assert "the next run of the search continues it after epoch 2" in board.trial(0)["note"]["body"]


def test_names_that_look_like_markup_are_shown_as_they_are(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)> | **b** [a](javascript:alert(2))"
    facts = spec().facts.model_copy(update={"class_names": ("background", evil, "rock")})
    folder = make_study(tmp_path, trials=1, facts=facts, data_name=evil)
    board = Board(folder)
    trial = board.trial(0)
    for note in (trial["note"]["body"], board.detail["note"]["body"]):
        assert evil not in note
        assert (
            "\\<img src\\=x onerror\\=alert\\(1\\)\\> \\| \\*\\*b\\*\\* \\[a\\]\\(javascript\\:alert\\(2\\)\\)" in note
        )
    figure = board.ask(f"/artifacts/{board.study_id}/{trial['trial_id']}/{trial['artifacts'][0]['artifact_id']}")
    drawn = ElementTree.fromstring(figure.body)
    assert {element.tag.rpartition("}")[2] for element in drawn.iter()} == {
        "svg", "title", "rect", "text", "line", "polyline", "circle",
    }  # fmt: skip


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_storages_outside_the_folder(tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}:///{tmp_path}/elsewhere"
    make_study(tmp_path, "venus", trials=1, storage=url)
    folder = make_study(tmp_path, "mars", trials=2, storage=url)
    board = Board(folder)
    assert board.detail["name"] == "mars"
    assert len(board.detail["trials"]) == 2
    assert "Best validation mIoU" in board.trial(1)["note"]["body"]
    (other,) = [
        study["study_id"]
        for study in board.ask("/api/studies").json["study_summaries"]
        if study["study_name"] == "venus"
    ]
    plain = board.ask(f"/api/studies/{other}").json["trials"][0]
    assert plain["note"]["body"] == ""
    assert "curve" in attributes(plain)
    note, upload = {"version": 1, "body": "mine"}, {"file": "data:text/plain;base64,aGVsbG8=", "filename": "hello.txt"}
    before = board.plain.get_study_system_attrs(other)
    for address in (f"/api/studies/{other}/note", f"/api/studies/{other}/{plain['trial_id']}/note"):
        assert board.ask(address, "PUT", note).status == 403
    assert board.ask(f"/api/artifacts/{other}", "POST", upload).status == 403
    with pytest.raises(ReadOnlyError):
        board.storage.set_study_system_attr(other, "key", "value")
    with pytest.raises(ReadOnlyError):
        board.storage.set_trial_system_attr(plain["trial_id"], "key", "value")
    assert board.plain.get_study_system_attrs(other) == before
    assert not (folder / "artifacts").exists()
