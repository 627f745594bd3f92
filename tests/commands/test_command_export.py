from pathlib import Path

import pytest

from search.errors import StudyError
from search.export import main
from search.selection.export import plan_export
from search.tuning.best import read_best
from search.tuning.reading import read_study
from tests.commands.studies import IDENTITY, Commands, records_of


def ranking(folder: Path) -> list[int]:
    records = [record for record in records_of(folder) if record.values]
    return [record.number for record in sorted(records, key=lambda record: -(record.best_value or 0))]


def test_the_best_trial_is_exported(commands: Commands, results: Path, tmp_path: Path):
    assert commands.run(main, "mars", "--to", tmp_path / "best", "--results", results) == 0
    best = records_of(results / "mars")[ranking(results / "mars")[0]]
    exported = read_best(tmp_path / "best" / "best.yaml")
    assert exported == read_best(results / "mars" / "best.yaml")
    assert exported.config == best.config
    weights = results / "mars" / "trials" / f"{best.number:04d}" / "best.safetensors"
    assert (tmp_path / "best" / "best.safetensors").read_bytes() == weights.read_bytes()
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == ["best.safetensors", "best.yaml"]
    assert commands.out.startswith(
        f"trial {best.number} of mars, validation mIoU {best.best_value:.4f} at epoch {best.best_epoch}\n"
    )


def test_another_trial_can_be_named(commands: Commands, results: Path, tmp_path: Path):
    second = ranking(results / "mars")[1]
    assert commands.run(main, "mars", "--to", tmp_path, "--trial", second, "--results", results) == 0
    exported = read_best(tmp_path / "best.yaml")
    record = records_of(results / "mars")[second]
    assert (exported.trial, exported.miou, exported.config) == (second, record.best_value, record.config)
    assert exported.data == IDENTITY
    assert exported.threads == 1


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
