"""The record of looks at the locked test part."""

from pathlib import Path

import pytest

from search.errors import StudyError
from search.tuning.openings import read_openings, record_opening
from search.tuning.storage import open_study
from tests.tuning.made_up import spec, study_in


def test_it_is_in_the_storage_and_grows(tmp_path: Path) -> None:
    folder = tmp_path / "test"
    folder.mkdir()
    spec().write(folder)
    assert read_openings(folder) == []
    with pytest.raises(StudyError, match="has no trials"):
        record_opening(folder, {"time": "then"})
    study_in(folder)
    record_opening(folder, {"time": "then"})
    record_opening(folder, {"time": "later", "reopened": "--reopen"})
    assert read_openings(folder) == [{"time": "then"}, {"time": "later", "reopened": "--reopen"}]


def test_studies_in_one_storage_have_records_of_their_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        open_study(url, name)
    record_opening(tmp_path / "one", {"time": "then"}, url)
    assert (read_openings(tmp_path / "one", url), read_openings(tmp_path / "two", url)) == ([{"time": "then"}], [])
