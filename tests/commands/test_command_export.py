import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search.errors import StudyError
from search.export import main
from search.predict import main as predict
from search.selection.answer import write_answer
from search.selection.export import plan_export
from search.selection.package import write
from search.selection.package.programs import Program
from search.tuning.best import read_best
from search.tuning.reading import read_study
from tests.commands.studies import IDENTITY, Commands, make_study, records_of
from tests.commands.weights import with_weights
from tests.selection.packages import answer, scene, write_predictor


def ranking(folder: Path) -> list[int]:
    records = [record for record in records_of(folder) if record.values]
    return [record.number for record in sorted(records, key=lambda record: -(record.best_value or 0))]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose kept trials have weights of their own networks."""
    return with_weights(make_study(tmp_path_factory.mktemp("results")))


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs take seconds to make: one test makes them."""
    monkeypatch.setattr(write, "write_programs", lambda *arguments: ())


def test_the_best_trial_is_exported(commands: Commands, study: Path, tmp_path: Path):
    assert commands.run(main, study, "--to", tmp_path / "best", "--license", "mit") == 0
    best = records_of(study)[ranking(study)[0]]
    exported = read_best(tmp_path / "best" / "best.yaml")
    assert exported == read_best(study / "best.yaml")
    assert exported.config == best.config
    weights = study / "trials" / f"{best.number:04d}" / "best.safetensors"
    assert (tmp_path / "best" / "best.safetensors").read_bytes() == weights.read_bytes()
    files = sorted(path.name for path in (tmp_path / "best").iterdir())
    assert files == [
        *("README.md", "best.safetensors", "best.yaml", "hashes.json", "model.onnx", "model.pt2"),
        *("predict.py", "predictor.yaml", "preprocessing.json"),
    ]
    assert commands.out.startswith(
        f"trial {best.number} of mars, validation mIoU {best.best_value:.4f} at epoch {best.best_epoch}\n"
    )
    assert sorted(re.findall(r"^\S*/best/(\S+)  ", commands.out, re.MULTILINE)) == files
    assert "license: mit" in (tmp_path / "best/README.md").read_text()


def test_what_is_exported_predicts(commands: Commands, study: Path, tmp_path: Path, no_programs: None):
    assert commands.run(main, study, "--to", tmp_path / "best") == 0
    np.savez(tmp_path / "new.npz", test_set=scene(64, 128)[None, ..., 0])
    assert commands.run(predict, tmp_path / "best", tmp_path / "new.npz", "--to", tmp_path / "out") == 0
    assert np.asarray(Image.open(tmp_path / "out/masks/00000.png")).max() <= 2


def test_another_trial_can_be_named(commands: Commands, study: Path, tmp_path: Path, no_programs: None):
    second = ranking(study)[1]
    assert commands.run(main, study, "--to", tmp_path, "--trial", second) == 0
    exported = read_best(tmp_path / "best.yaml")
    record = records_of(study)[second]
    assert (exported.trial, exported.miou, exported.config) == (second, record.best_value, record.config)
    assert exported.data == IDENTITY
    assert exported.threads == 1


def test_the_answer_of_a_study(commands: Commands, study: Path, tmp_path: Path, no_programs: None):
    folder = shutil.copytree(study, tmp_path / "mars")
    best = read_best(folder / "best.yaml")
    place = folder / "answer/predictor"
    predictor = write_predictor(place, [best.config.model] * 2, flips=("none", "horizontal"))
    (place / "predictor.yaml").write_text(predictor.to_yaml())
    network = best.model_copy(update={"config": predictor.members[0].config})
    (folder / "answer/best.yaml").write_text(network.to_yaml())
    write_answer(folder, answer(trial=best.trial))
    assert commands.run(main, folder, "--to", tmp_path / "package") == 0
    lines = commands.out.splitlines()
    what = "an ensemble of 2 networks, over 2 flips of the image"
    assert lines[1] == f"the study's answer: {what}, test mIoU 0.6123 [0.5512, 0.6630]"
    assert f"{tmp_path / 'package/member-0.safetensors'}  the weights of trial 0" in lines
    assert f"{tmp_path / 'package/best.safetensors'}  the weights of trial 1" in lines
    card = (tmp_path / "package/README.md").read_text()
    assert "**Test mIoU 0.6123 [0.5512, 0.6630]**" in card
    assert read_best(tmp_path / "package/best.yaml") == network
    write_answer(folder, answer(trial=best.trial, test=None, openings=()))
    assert commands.run(main, folder, "--to", tmp_path / "second") == 0
    assert commands.out.splitlines()[1] == f"the study's answer: {what}, without a locked test"
    assert commands.run(main, folder, "--to", tmp_path / "third", "--trial", best.trial) == 0
    assert "the study's answer" not in commands.out


def test_a_program_that_cannot_be_made_is_told(
    commands: Commands, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    failed = Program(name="model.onnx", words="ONNX", problem="Unsupported: an operator")
    monkeypatch.setattr(write, "write_programs", lambda *arguments: (failed,))
    assert commands.run(main, study, "--to", tmp_path) == 0
    line = "there is no model.onnx: the network cannot be exported for ONNX: Unsupported: an operator\n"
    assert line in commands.out
    assert not (tmp_path / "model.onnx").exists()


def test_deleted_weights_name_the_trials_that_have_theirs(commands: Commands, results: Path, tmp_path: Path):
    first, second, *_, last = ranking(results / "mars")
    assert commands.run(main, "mars", "--to", tmp_path / "x", "--trial", last, "--results", results) == 2
    assert commands.err == (
        f"error: weights are kept for the best trials only (--keep of the search), and those of trial {last} are not "
        f"there; kept are, best first: {first}, {second}. Export one of these with --trial\n"
    )
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("trial", ["-1", "5"])
def test_a_trial_that_does_not_exist(commands: Commands, results: Path, tmp_path: Path, trial: str):
    assert commands.run(main, "mars", "--to", tmp_path, f"--trial={trial}", "--results", results) == 2
    assert commands.err == f"error: there is no trial {trial}: mars has the trials 0 to 4\n"


def test_nothing_is_overwritten(commands: Commands, results: Path, tmp_path: Path):
    (tmp_path / "notes").write_text("mine")
    for target, what in ((tmp_path, "is not empty"), (tmp_path / "notes", "is a file")):
        assert commands.run(main, "mars", "--to", target, "--results", results) == 2
        assert commands.err == (
            f"error: --to needs a new or an empty folder, so that nothing is overwritten; {target} {what}\n"
        )
    assert (tmp_path / "notes").read_text() == "mine"


def test_a_study_without_a_finished_epoch(commands: Commands, faulty: Path, tmp_path: Path):
    assert commands.run(main, faulty, "--to", tmp_path / "x") == 2
    assert commands.err.startswith("error: no trial of mars has finished an epoch yet, so there is nothing to export")
    assert commands.run(main, faulty, "--to", tmp_path / "x", "--trial", 0) == 2
    assert commands.err == (
        "error: trial 0 never finished an epoch (the loss became nan in epoch 2); choose another --trial\n"
    )


def test_a_killed_search_has_no_identity_yet(folder: Path):
    (folder / "best.yaml").unlink()
    with pytest.raises(StudyError, match="is written when a search ends, and is not there yet; continue the search"):
        plan_export(read_study(folder))
