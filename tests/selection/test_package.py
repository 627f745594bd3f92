"""What a package holds, and that there is either all of it or nothing."""

import errno
import json
import shutil
from pathlib import Path

import pytest
import yaml
from safetensors.numpy import load_file

from search.errors import StudyError
from search.selection.answer import write_answer
from search.selection.export import plan_export
from search.selection.package import write
from search.selection.package.contents import Preprocessing, read_preprocessing
from search.selection.package.hashes import check_unchanged, file_hash, read_hashes
from search.selection.package.write import write_package
from search.selection.predicting import Package
from search.selection.predictor import Predictor, read_predictor
from search.tuning.best import read_best
from search.tuning.reading import read_study
from tests.commands.studies import IDENTITY, make_study, records_of
from tests.models.networks import small_networks
from tests.selection.packages import FORM, SIZE, answer, config_of, export_of, tiny, write_predictor

FILES = {
    "README.md",
    "best.safetensors",
    "best.yaml",
    "hashes.json",
    "model.onnx",
    "model.pt2",
    "predict.py",
    "predictor.yaml",
    "preprocessing.json",
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def predictor(weights: Path) -> Predictor:
    return write_predictor(weights, [tiny()])


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, weights: Path, predictor: Predictor) -> Path:
    folder = tmp_path_factory.mktemp("packages") / "mars"
    write_package(export_of(weights, predictor), folder, "cc-by-4.0")
    return folder


def test_all_files_are_there_and_hashed(package: Path, weights: Path, predictor: Predictor) -> None:
    assert {path.name for path in package.iterdir()} == FILES
    assert list(package.parent.iterdir()) == [package], "what was written aside is gone"
    hashes = read_hashes(package)
    assert hashes.files == {name: file_hash(package / name) for name in FILES - {"hashes.json"}}
    assert (hashes.data, hashes.split) == ("d" * 64, "p" * 64)
    assert {"torch", "onnx", "onnxruntime", "numpy"} <= set(hashes.packages)
    assert read_predictor(package) == predictor
    assert (package / "best.safetensors").read_bytes() == (weights / "best.safetensors").read_bytes()
    assert read_best(package / "best.yaml").trial == 7


def test_it_has_the_mode_of_any_new_folder(package: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    assert package.stat().st_mode == (tmp_path / "new").stat().st_mode


def test_preprocessing_survives_its_file(package: Path) -> None:
    settings = read_preprocessing(package)
    assert settings == Preprocessing.of(FORM, SIZE)
    assert settings.form == FORM
    shown = json.loads((package / "preprocessing.json").read_text())
    assert shown["classes"][4] == {"name": "big rock", "value": 7, "shown": [0, 114, 178]}
    colors = FORM.model_copy(update={"colored": True, "labels": (0, 0x804000, 1, 2, 3)})
    written = Preprocessing.of(colors, SIZE)
    assert written.classes[1].value == (128, 64, 0)
    assert written.form == colors


def test_the_card_has_the_licence(package: Path) -> None:
    _, front, _ = (package / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front)["license"] == "cc-by-4.0"


@pytest.mark.parametrize("name", ["best.safetensors", "predictor.yaml", "preprocessing.json"])
def test_a_changed_package_is_refused(package: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(package, tmp_path / "copy")
    Package.load(copy, "cpu")
    with (copy / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(StudyError, match=f"{name} is not the file that was exported: its sha256"):
        Package.load(copy, "cpu")
    (copy / name).unlink()
    with pytest.raises(StudyError, match=f"has no {name}; export the study again, or copy the whole folder"):
        Package.load(copy, "cpu")


def test_the_card_may_be_edited(package: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(package, tmp_path / "copy")
    (copy / "README.md").write_text("mine")
    Package.load(copy, "cpu")
    check_unchanged(copy, ("model.onnx",))


def test_a_folder_that_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"is no package of search\.export: .*hashes\.json cannot be read"):
        Package.load(tmp_path, "cpu")


def no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "write_programs", lambda *arguments: ())


def test_a_failure_leaves_nothing(
    tmp_path: Path, weights: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "write_programs", full)
    target = tmp_path / "package"
    with pytest.raises(StudyError, match="cannot be written: No space left on device; make room"):
        write_package(export_of(weights, predictor), target)
    assert not list(tmp_path.iterdir())

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "write_programs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_package(export_of(weights, predictor), target)
    assert not list(tmp_path.iterdir())


def test_weights_of_another_network_leave_nothing(tmp_path: Path, predictor: Predictor) -> None:
    other = tmp_path / "other"
    write_predictor(other, [small_networks()["unet_fusion"]])
    with pytest.raises(StudyError, match="does not hold the weights of trial 0"):
        write_package(export_of(other, predictor), tmp_path / "package")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_damaged_and_empty_weights(tmp_path: Path, predictor: Predictor) -> None:
    for number, content in enumerate((b"", b"no tensors")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "best.safetensors").write_bytes(content)
        with pytest.raises(StudyError, match="the weights of trial 0 cannot be loaded"):
            write_package(export_of(folder, predictor), tmp_path / "package")


def test_an_empty_folder_is_filled_and_a_full_one_kept(
    tmp_path: Path, weights: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_programs(monkeypatch)
    target = tmp_path / "empty"
    target.mkdir()
    before = target.stat().st_ino
    write_package(export_of(weights, predictor), target)
    assert target.stat().st_ino == before
    assert {path.name for path in target.iterdir()} == FILES - {"model.onnx", "model.pt2"}
    with pytest.raises(StudyError, match="--to needs a new or an empty folder"):
        write_package(export_of(weights, predictor), target)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("results"))


def answered(study: Path, folder: Path, shares: tuple[float, ...]) -> tuple[Path, Predictor]:
    """A copy of the study with an answer: networks of other trials, and from the third on of the best one."""
    copy = shutil.copytree(study, folder / "mars")
    records = {record.number: record for record in records_of(copy)}
    best = read_best(copy / "best.yaml").trial
    other = next(number for number, record in records.items() if record.config.model != records[best].config.model)
    members = []
    place = copy / "answer" / "predictor"
    own = write_predictor(place, [records[best if number > 1 else other].config.model for number in range(len(shares))])
    for member, share in zip(own.members, shares, strict=True):
        members.append(member.model_copy(update={"share": share}))
    predictor = Predictor(members=tuple(members), flips=("none", "horizontal"), excluded=(0,))
    (place / "predictor.yaml").write_text(predictor.to_yaml())
    network = config_of(records[best].config.model)
    again = read_best(copy / "best.yaml").model_copy(update={"config": network, "miou": 0.5})
    (copy / "answer" / "best.yaml").write_text(again.to_yaml())
    write_answer(copy, answer(trial=best))
    return copy, predictor


def test_the_answer_is_what_is_exported(study: Path, tmp_path: Path) -> None:
    folder, predictor = answered(study, tmp_path, (3.0, 1.0, 1.0, 2.0))
    export = plan_export(read_study(folder))
    names = [member.weights for member in export.predictor.members]
    # Of the networks that are the one in best.yaml, the last counts most.
    assert names == ["member-0.safetensors", "member-1.safetensors", "member-2.safetensors", "best.safetensors"]
    assert {path.name: name for path, name in export.weights.items()} == {
        member.weights: name for member, name in zip(predictor.members, names, strict=True)
    }
    assert (export.predictor.flips, export.predictor.excluded) == (predictor.flips, (0,))
    assert (export.openings, export.answer is not None) == (1, True)
    assert export.best == read_best(folder / "answer" / "best.yaml")
    one = plan_export(read_study(folder), export.best.trial)
    assert (one.answer, one.openings) == (None, 1)
    assert [member.weights for member in one.predictor.members] == ["best.safetensors"]


def test_an_ensemble_without_the_network_of_best_yaml(study: Path, tmp_path: Path) -> None:
    folder, _ = answered(study, tmp_path, (1.0, 1.0))
    names = [member.weights for member in plan_export(read_study(folder)).predictor.members]
    assert names == ["member-0.safetensors", "member-1.safetensors"]


def test_an_answer_of_one_network_is_best_safetensors(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_programs(monkeypatch)
    folder, predictor = answered(study, tmp_path, (1.0,))
    write_package(plan_export(read_study(folder)), tmp_path / "package")
    files = [folder / "answer/predictor" / predictor.members[0].weights, tmp_path / "package/best.safetensors"]
    first, second = (load_file(file) for file in files)
    assert all((first[name] == second[name]).all() for name in first)
    assert Package.load(tmp_path / "package", "cpu").preprocessing.excluded == (0,)


def test_missing_weights_of_an_answer(study: Path, tmp_path: Path) -> None:
    folder, _ = answered(study, tmp_path, (1.0, 1.0))
    (folder / "answer/predictor/member-1.safetensors").unlink()
    with pytest.raises(StudyError, match=r"the study's answer needs .*member-1\.safetensors, which is not there"):
        plan_export(read_study(folder))


def test_a_study_from_before_the_form_was_recorded(study: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(study, tmp_path / "mars")
    best = read_best(folder / "best.yaml")
    text = best.model_copy(update={"data": IDENTITY.model_copy(update={"form": None})}).to_yaml()
    assert "  form: null\n" in text
    (folder / "best.yaml").write_text(text.replace("  form: null\n", ""))
    with pytest.raises(StudyError, match="give the command of the search again: it writes the file anew"):
        plan_export(read_study(folder))
