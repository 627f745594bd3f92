import shutil
from pathlib import Path

import pytest

from search.report import main
from search.reporting.material import gather
from search.reporting.measuring import measure
from search.training.validation import objective
from search.tuning.best import read_best
from search.tuning.folder import BEST_NAME, append_run, create_folder
from search.tuning.trial_folder import trial_folder
from tests.commands.studies import STARTED, Commands
from tests.commands.trained import Trial
from tests.reporting.pages import Page
from tests.reporting.studies import real_spec


@pytest.fixture(autouse=True)
def few_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.reporting.networks.TIMED_TRIALS", 1)


def test_the_page_is_written_into_the_study_or_where_asked(commands: Commands, folder: Path, tmp_path: Path) -> None:
    append_run(folder, {"started": STARTED, "data": str(tmp_path / "gone.npz"), "storage": None})
    assert commands.run(main, "mars", "--results", folder.parent) == 0
    assert commands.out == f"{folder / 'report.html'}\n"
    page = Page.of((folder / "report.html").read_text())
    assert "The best trials" in page.text
    assert "Nothing could be predicted" in page.text
    assert commands.run(main, folder, "--to", tmp_path / "page.html") == 0
    assert commands.out == f"{tmp_path / 'page.html'}\n"


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("no/page.html", "no is no folder"),
        (".", "it is a folder"),
        ("/", "it is a folder"),
        (300 * "x", "File name too long"),
    ],
)
def test_where_no_file_can_be_is_told_before_anything_is_measured(
    commands: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch, to: str, reason: str
) -> None:
    monkeypatch.setattr("search.reporting.contents.measure", None)
    assert commands.run(main, folder, "--to", to) == 2
    assert commands.err == f"error: {to} cannot be written: {reason}; choose another file with --to\n"


def test_a_study_that_does_not_exist(commands: Commands, tmp_path: Path) -> None:
    assert commands.run(main, "venus", "--results", tmp_path) == 2
    assert commands.err == f"error: there is no study 'venus'; there are no studies under {tmp_path}\n"


def test_data_that_is_not_the_studys(commands: Commands, folder: Path, trial: Trial) -> None:
    assert commands.run(main, folder, "--data", trial.data) == 2
    assert "a trial is reproduced on the data it was trained on, fake" in commands.err


def test_the_best_trial_is_seen_on_the_validation_images(tmp_path: Path, trial: Trial) -> None:
    """A trained trial whose weights are kept, and its data: the confusion matrix has its recorded mIoU."""
    folder = study_of(trial, tmp_path / "tiles")
    material = measure(gather(folder))
    validation = material.measured.validation
    assert material.not_validated == ""
    assert validation is not None
    import torch

    assert objective(torch.tensor(validation.confusion), trial.prepared.facts) == trial.best.miou
    stems = {trial.prepared.split.stems[index] for index in trial.prepared.split.indices("validation")}
    shown = [*validation.worst, *validation.best]
    assert {example.stem for example in shown} <= stems
    assert len({example.stem for example in shown}) == len(shown) == 8
    values = [example.miou for example in (*validation.worst, *reversed(validation.best))]
    assert values == sorted(values)
    trial.data.rename(tmp_path / "elsewhere.npz")
    try:
        assert measure(gather(folder)).measured.validation == validation
        (folder / "report.json").unlink()
        assert "Nothing could be predicted" in measure(gather(folder)).not_validated
        assert measure(gather(folder), tmp_path / "elsewhere.npz").measured.validation == validation
    finally:
        (tmp_path / "elsewhere.npz").rename(trial.data)


def study_of(trial: Trial, folder: Path) -> Path:
    """A study with this one trial, as a search would have left it."""
    import optuna
    from optuna.trial import create_trial

    from search.tuning.record import CONFIG, CURVE, SAMPLED_BY
    from search.tuning.storage import open_storage, storage_url

    create_folder(folder)
    best = read_best(trial.file)
    real_spec(trial.prepared.facts, data_name="tiles", max_epochs=len(trial.curve), grace_epochs=1).write(folder)
    append_run(folder, {"started": STARTED, "data": str(trial.data), "storage": None})
    (folder / BEST_NAME).write_text(best.to_yaml())
    curve = [report.model_dump(mode="json") for report in trial.curve]
    values = {report.epoch: report.miou for report in trial.curve}
    study = optuna.create_study(
        study_name=folder.name, storage=open_storage(storage_url(folder, None)), direction="maximize"
    )
    attributes = {CONFIG: best.config.model_dump(mode="json"), CURVE: curve, SAMPLED_BY: "named point"}
    study.add_trial(create_trial(value=max(values.values()), user_attrs=attributes, intermediate_values=values))
    trial_folder(folder, 0).mkdir(parents=True)
    shutil.copy(trial.file.with_name("best.safetensors"), trial_folder(folder, 0))
    return folder
