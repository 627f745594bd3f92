"""A study's identity on disk."""

from pathlib import Path

import pytest

from search.errors import StudyError
from search.tuning.packing import Packing
from search.tuning.spec import StudySpec, read_spec
from tests.tuning.made_up import measured, spec

PACKED = {"measured": measured(packing=Packing(trials_per_gpu=2, gain=1.5, stopped=""))}


def test_a_spec_survives_its_file(tmp_path: Path) -> None:
    written = spec(max_params=10**6, measured=measured(seconds_per_epoch=1e-5, max_macs=123, expected_trials=None))
    written.write(tmp_path)
    assert read_spec(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == ["spec.yaml"]


def test_a_spec_from_before_unlabelled_images_is_read(tmp_path: Path) -> None:
    spec().write(tmp_path)
    path = tmp_path / "spec.yaml"
    lines = [line for line in path.read_text().splitlines(keepends=True) if "unlabelled" not in line]
    assert len(lines) == len(path.read_text().splitlines()) - 2  # of the spec, and of its facts
    path.write_text("".join(lines))
    assert read_spec(tmp_path) == spec()


def test_how_trials_are_packed_is_kept(tmp_path: Path) -> None:
    packing = Packing(trials_per_gpu=4, gain=2.6, stopped="8: the process died; the end of its stderr:\nKilled")
    written = spec(measured=measured(packing=packing))
    written.write(tmp_path)
    assert read_spec(tmp_path) == written


def test_a_spec_from_before_trials_were_packed_is_read(tmp_path: Path) -> None:
    spec().write(tmp_path)
    path = tmp_path / "spec.yaml"
    text = path.read_text()
    path.write_text(text.replace("  packing: null\n", ""))
    assert path.read_text() != text
    assert read_spec(tmp_path) == spec()


def test_there_is_no_spec_where_there_is_no_study(tmp_path: Path) -> None:
    assert read_spec(tmp_path) is None


def test_another_identity_says_where_it_differs() -> None:
    found = spec().differences(spec(seed=1, max_epochs=27))
    assert found == ["seed: the study has 0, asked for 1", "max_epochs: the study has 9, asked for 27"]


def test_a_spec_without_a_stratification_was_stratified_on_presence(tmp_path: Path) -> None:
    spec().write(tmp_path)
    path = tmp_path / "spec.yaml"
    path.write_text(path.read_text().replace("stratify: presence\n", ""))
    assert read_spec(tmp_path) == spec()


def test_hashes_are_cut_to_what_tells_them_apart() -> None:
    mine, theirs = spec(data_fingerprint="a" * 64), spec(data_fingerprint="b" * 64, pretrained=f"sha256:{'c' * 64}")
    assert mine.differences(theirs) == [
        "data_fingerprint: the study has aaaaaaaaaaaa, asked for bbbbbbbbbbbb",
        "pretrained: the study has none, asked for sha256:cccccccccccc",
    ]


@pytest.mark.parametrize(
    "change", [{"data_name": "elsewhere"}, {"measured": measured(concurrency=4)}, PACKED, {"stratify": "dispersion"}]
)
def test_names_and_measurements_are_no_identity(change: dict) -> None:
    assert spec().differences(spec(**change)) == []
    assert spec().identity_hash == spec(**change).identity_hash


@pytest.mark.parametrize(
    "change",
    [
        {"space_fingerprint": "t"},
        {"data_fingerprint": "e"},
        {"unlabelled_fingerprint": "u"},
        {"seed": 1},
        {"grace_epochs": 3},
        {"max_macs": 1},
        {"pretrained": "imagenet"},
    ],
)
def test_what_decides_results_is_identity(change: dict) -> None:
    assert len(spec().differences(spec(**change))) == 1
    assert spec().identity_hash != spec(**change).identity_hash


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("version: 3", "version: 2"), r"\(version: 2, this tool writes version 3\)"),
        (lambda text: text.replace("patience: 9\n", ""), "patience: Field required"),
        (lambda text: text + "colour: red\n", "colour: Extra inputs are not permitted"),
        (lambda text: text[: len(text) // 2], "not written by this version"),
        (lambda text: "", "version: unknown"),
        (lambda text: "a: [", "not valid YAML"),
        (lambda text: "- 1", "not written by this version"),
    ],
)
def test_a_spec_of_another_version_or_a_spoiled_one_is_refused(tmp_path: Path, spoil, message: str) -> None:
    spec().write(tmp_path)
    path = tmp_path / "spec.yaml"
    path.write_text(spoil(path.read_text()))
    with pytest.raises(StudyError, match=message) as error:
        read_spec(tmp_path)
    assert "Use another --study name; uv run python -m search.delete removes the study" in str(error.value)


def test_a_spec_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyError, match=r"spec\.yaml"):
        read_spec(tmp_path)


def test_the_budget_of_trials_follows_from_the_spec() -> None:
    made = spec(measured=measured(precision="bfloat16", layout="contiguous", max_macs=7))
    assert made.budget.layout == "contiguous"
    assert (made.budget.max_epochs, made.budget.patience, made.budget.precision) == (9, 9, "bfloat16")
    assert made.rungs == (1, 3)
    assert made.macs_limit == 7
    assert StudySpec.model_validate({**made.model_dump(), "max_macs": 5}).macs_limit == 5
