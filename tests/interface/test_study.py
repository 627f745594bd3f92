"""A study in Python says what is on disk, and shows text of users as text."""

import shutil
from pathlib import Path

import pytest

from search.errors import StudyError
from search.interface.loading import load
from search.selection.answer import Answer, answer_folder, write_answer
from search.tuning.best import read_best
from search.tuning.folder import locked
from tests.commands.studies import make_study
from tests.interface.conftest import STUDY


def test_the_study_is_found_by_name_and_by_folder(made_up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = load(STUDY, made_up)
    assert study.name == STUDY
    assert study == load(made_up / STUDY) == load(str(made_up / STUDY))
    monkeypatch.chdir(made_up.parent)
    assert load(STUDY).trials == study.trials


def test_a_study_that_is_not_there_names_those_that_are(made_up: Path) -> None:
    with pytest.raises(StudyError, match=f"there is no study 'mars'; studies under .*: {STUDY}"):
        load("mars", made_up)


def test_it_says_what_was_searched(made_up: Path) -> None:
    study = load(STUDY, made_up)
    assert (study.space, study.data, study.input_size) == ("small", "fake", (64, 128))
    assert study.class_names == ("background", "soil", "rock")
    assert (study.running, study.interrupted, study.answer) == (False, False, None)


def test_the_best_is_the_trial_with_the_highest_value(made_up: Path) -> None:
    study = load(STUDY, made_up)
    assert study.best is not None
    top = max(study.trials, key=lambda record: record.best_value or 0)
    assert (study.best.trial, study.best.miou, study.best.epoch) == (top.number, top.best_value, top.best_epoch)
    recorded = read_best(study.folder / "best.yaml")
    assert (recorded.trial, recorded.miou, recorded.config) == (study.best.trial, study.best.miou, study.best.config)
    assert type(study.best.config).from_yaml(study.best.yaml) == study.best.config


def test_the_table_has_every_trial_with_its_parameters(made_up: Path) -> None:
    study = load(STUDY, made_up)
    rows = study.table()
    assert [row["trial"] for row in rows] == list(range(5))
    assert [row["from"] for row in rows[:2]] == ["default", "wide"]
    for row, record in zip(rows, study.trials, strict=True):
        assert (row["miou"], row["best_epoch"], row["epochs"]) == (record.best_value, record.best_epoch, record.epochs)
        assert row["model.width"] == record.config.model.width
        assert row["state"] in ("complete", "pruned")
        assert row["seconds"] == pytest.approx(0.01 * record.epochs)
    assert sum(study.counts.values()) == 5


def test_no_epoch_yet_is_no_best(tmp_path: Path) -> None:
    study = load(make_study(tmp_path, trials=1, faults=("nan 1 9",)))
    assert study.best is None
    assert repr(study) == "<Study mars: trials 1 (1 failed), no epoch yet>"
    assert "best validation mIoU -" in study._repr_html_()
    assert study.table()[0]["miou"] is study.table()[0]["best_epoch"] is None
    with pytest.raises(StudyError, match="no trial of mars has finished an epoch yet"):
        study.export(tmp_path / "best")


def test_the_representation_is_one_line(made_up: Path) -> None:
    study = load(STUDY, made_up)
    assert study.best is not None
    best = f"best mIoU {study.best.miou:.4f} in trial {study.best.trial}"
    assert repr(study).startswith(f"<Study {STUDY}: trials 5 (")
    assert repr(study).endswith(f"{best}>")


def test_text_of_users_is_no_markup(tmp_path: Path) -> None:
    name = "<script>alert('&')</script>"
    study = load(make_study(tmp_path, trials=1, data_name=name, space="<b>own.py:f"))
    html = study._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;" in html
    assert "&lt;b&gt;own.py:f" in html
    assert html.count("<tr>") == 2


def test_the_answer_is_read(made_up: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made_up / STUDY, tmp_path / STUDY)
    answer = Answer(
        study=STUDY, trial=1, retrained=(0.4,), search_best=None, seed_noise=None, candidates=(), chosen="trial 1",
        validation=0.4, openings=(), test=None, class_names=("background", "soil", "rock"),
    )  # fmt: skip
    answer_folder(folder).mkdir()
    write_answer(folder, answer)
    assert load(folder).answer == answer


def test_a_search_at_work_is_seen(made_up: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made_up / STUDY, tmp_path / STUDY)
    with locked(folder):
        assert load(folder).running
    assert not load(folder).running


def test_exports_are_those_of_the_command(made_up: Path, tmp_path: Path, no_programs: None) -> None:
    study = load(STUDY, made_up)
    assert study.export(tmp_path / "best") == tmp_path / "best"
    assert read_best(tmp_path / "best/best.yaml") == read_best(study.folder / "best.yaml")
    with pytest.raises(StudyError, match="is not empty"):
        study.export(tmp_path / "best")
    lost = min(study.trials, key=lambda record: record.best_value or 0).number
    with pytest.raises(StudyError, match=f"those of trial {lost} are not there"):
        study.export(str(tmp_path / "other"), trial=lost)


def test_a_report_reads_the_storage_that_the_study_was_loaded_from(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(made_up / STUDY, tmp_path / STUDY)
    (folder / "study.db").rename(tmp_path / "mine.db")
    monkeypatch.chdir(tmp_path)
    study = load(folder, storage="sqlite:///mine.db")
    asked: list[tuple[Path, str | None]] = []
    monkeypatch.setattr(
        "search.reporting.contents.write_report", lambda folder, *, to, storage: asked.append((folder, storage))
    )
    study.report()
    assert asked == [(folder, f"sqlite:///{tmp_path}/mine.db")]


def test_reading_changes_nothing(place: Path) -> None:
    folder = place / "results" / STUDY
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "study.db" not in path.name}
    study = load(STUDY)
    study.table()
    repr(study)
    study._repr_html_()
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "study.db" not in path.name}
    assert before == after
