"""Weights that were trained on the same data in another split are told."""

from pathlib import Path

import pytest

from search.data.prepare import PreparedData, prepare_data
from search.tuning.weights_origin import leak_warning
from tests.tuning.made_up import spec


@pytest.fixture(scope="module")
def prepared() -> PreparedData:
    return prepare_data(None, seed=0)


def weights_of(folder: Path, data: str, split: str) -> Path:
    """The weights of a trial of a study with such fingerprints."""
    place = folder / "study" / "trials" / "0001"
    place.mkdir(parents=True)
    spec(data_fingerprint=data, split_fingerprint=split).write(folder / "study")
    return place / "best.safetensors"


def test_another_split_of_the_same_data_is_warned_of(tmp_path: Path, prepared: PreparedData) -> None:
    warning = leak_warning(weights_of(tmp_path, prepared.fingerprint, "another"), prepared)
    assert warning is not None
    assert "trained on this data in another split" in warning


def test_the_same_split_and_other_data_are_fine(tmp_path: Path, prepared: PreparedData) -> None:
    same = weights_of(tmp_path / "same", prepared.fingerprint, prepared.split.fingerprint)
    other = weights_of(tmp_path / "other", "other data", "another")
    assert leak_warning(same, prepared) is None
    assert leak_warning(other, prepared) is None


def test_a_file_alone_or_beside_a_spoiled_study_tells_nothing(tmp_path: Path, prepared: PreparedData) -> None:
    assert leak_warning(tmp_path / "best.safetensors", prepared) is None
    weights = weights_of(tmp_path, prepared.fingerprint, "another")
    (tmp_path / "study" / "spec.yaml").write_text("version: 0")
    assert leak_warning(weights, prepared) is None
