"""Where a study is stored."""

import sqlite3
import sys
from pathlib import Path

import pytest

from search.errors import StudyError
from search.tuning.storage import absolute_url, delete_study, open_storage, open_study, storage_file, storage_url
from search.tuning.study import TrialStudy
from tests.tuning.made_up import SPACE, report, study_in


def begin(study: TrialStudy) -> int:
    number = study.ask(SPACE, seed=0, startup_trials=4, point=None).number
    study.set_config(number, SPACE.default)
    return number


def test_a_study_lies_in_its_folder_unless_asked_elsewhere(tmp_path: Path) -> None:
    assert storage_url(tmp_path, None) == f"sqlite:///{tmp_path / 'study.db'}"
    assert storage_url(tmp_path, "journal:///j") == "journal:///j"


@pytest.mark.parametrize(
    ("url", "absolute", "file"),
    [
        ("sqlite:///mine.db", "sqlite:////here/mine.db", "mine.db"),
        ("sqlite+pysqlite:///mine.db?timeout=5", "sqlite+pysqlite:////here/mine.db?timeout=5", "mine.db"),
        ("sqlite:////there/mine.db", "sqlite:////there/mine.db", "/there/mine.db"),
        ("journal://logs/what?.log", "journal:///here/logs/what?.log", "logs/what?.log"),
        ("journal:///there/mine.log", "journal:///there/mine.log", "/there/mine.log"),
        ("sqlite://", "sqlite://", None),
        ("sqlite:///:memory:", "sqlite:///:memory:", None),
        ("sqlite:///file:mine.db?uri=true", "sqlite:///file:mine.db?uri=true", None),
        ("postgresql+psycopg://me:s3cret@host/db", "postgresql+psycopg://me:s3cret@host/db", None),
        ("nonsense", "nonsense", None),
    ],
)
def test_the_file_of_a_storage_is_the_same_from_any_folder(
    monkeypatch: pytest.MonkeyPatch, url: str, absolute: str, file: str | None
) -> None:
    monkeypatch.setattr(Path, "absolute", lambda path: Path("/here") / path)
    assert absolute_url(url) == absolute
    assert storage_file(url) == (None if file is None else Path(file))


@pytest.mark.parametrize("scheme", ["sqlite:///", "journal://"])
def test_every_storage_keeps_what_it_was_told(tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}{tmp_path / 'elsewhere'}"
    study = open_study(url, "mine")
    study.set_identity("abc")
    kept, left = begin(study), begin(study)
    study.report(kept, report(1, 0.5))
    study.tell_complete(kept, "trained")
    study = open_study(url, "mine")
    assert study.release_all() == [left]
    assert study.identity == "abc"
    assert [(record.state, record.values) for record in study.records()] == [("COMPLETE", {1: 0.5}), ("WAITING", {})]
    assert open_study(url, "other").count() == 0
    delete_study(url, "mine")
    delete_study(url, "mine")
    assert open_study(url, "mine").count() == 0


@pytest.mark.parametrize("scheme", ["sqlite:///", "journal://"])
def test_nothing_is_deleted_from_a_file_that_is_not_there(tmp_path: Path, scheme: str) -> None:
    delete_study(f"{scheme}{tmp_path / 'mine'}", "mine")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_does_not_hold_up_a_search(tmp_path: Path) -> None:
    """A dashboard in the midst of reading; without a write-ahead log the search would wait for it and then fail."""
    study = study_in(tmp_path)
    number = begin(study)
    with sqlite3.connect(tmp_path / "study.db", isolation_level=None) as reader:
        reader.execute("BEGIN")
        seen = reader.execute("SELECT count(*) FROM trial_intermediate_values").fetchone()
        study.report(number, report(1, 0.5))
        assert seen == reader.execute("SELECT count(*) FROM trial_intermediate_values").fetchone() == (0,)
        reader.execute("COMMIT")
    reader.close()
    assert study_in(tmp_path).record(number).values == {1: 0.5}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+absent://me:s3cret@host:5/db", "postgresql+absent://host:5/db"),
        ("postgresql+absent://me:s3c@ret@host/db", "postgresql+absent://host/db"),
        ("postgresql+absent://me:s3c://ret@host/db", "postgresql+absent://host/db"),
        ("postgresql+absent://host/db?user=me&password=s3cret", "postgresql+absent://host/db"),
        ("redis://me:s3cret@host", "redis://host"),
        ("me:s3cret@host/db", "host/db"),
        ("nonsense", "nonsense"),
        ("sqlite:////nowhere@all/study.db", "sqlite:////nowhere@all/study.db"),
        ("journal:///nowhere/study.log", "journal:///nowhere/study.log"),
        ("journal://", "journal://"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_named_without_its_password(url: str, shown: str) -> None:
    with pytest.raises(StudyError) as error:
        open_storage(url)
    message = str(error.value)
    assert message.startswith(f"the storage {shown} cannot be opened: ")
    assert "s3c" not in message
    assert "A storage is an SQLAlchemy URL such as sqlite:///study.db" in message


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StudyError, match=r"^the storage postgresql\+psycopg://host/db needs a driver") as error:
        open_storage("postgresql+psycopg://me:s3cret@host/db")
    assert "s3cret" not in str(error.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"something else" * 100)
    with pytest.raises(StudyError, match=r"study\.db cannot be opened: .*file is not a database"):
        study_in(tmp_path)
