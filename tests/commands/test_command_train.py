"""A trial trained once by the loop, then again by the command, from best.yaml alone."""

import re
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from search.data.dataset import SegmentationData
from search.data.initial_weights import InitialWeights, read_initial_weights
from search.data.prepare import prepare_data
from search.data.unlabelled import Unlabelled
from search.errors import DataError, StudyError
from search.selection.initial_weights import initial_weights_again
from search.selection.reproduction import begin, check_same, choose_threads, prepare_again, retrain, verdict
from search.train import main
from search.training.loop import train
from search.training.outcome import NotFiniteError
from search.tuning.best import data_identity
from search.tuning.trial_folder import trial_files
from spaces.config import PseudoLabels
from spaces.networks import EncoderNetConfig
from tests.commands.studies import Commands
from tests.commands.tiles import write_tiles
from tests.commands.trained import Trial, same


def test_the_command_gives_the_trials_curve_and_weights(commands: Commands, trial: Trial, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert commands.run(main, trial.file, "--data", trial.data) == 0
    first, *epochs, end, where = commands.out.splitlines()
    assert first == "trial 7 of tiles, CPU threads: 1, to tiles-trial-7"
    shown = [re.match(r"epoch (\d)/2  mIoU (\S+)  loss (\S+) ", line) for line in epochs]
    assert [line.groups() for line in shown if line] == [
        (str(report.epoch), f"{report.miou:.4f}", f"{report.train_loss:.4f}") for report in trial.curve
    ]
    top = f"{trial.best.miou:.4f} at epoch {trial.best.epoch}"
    assert end == f"best mIoU {top}; recorded {top}: the same value to the last digit"
    assert where == "weights of the best epoch: tiles-trial-7/best.safetensors"
    written = load_file(tmp_path / "tiles-trial-7" / "best.safetensors")
    assert written.keys() == trial.weights.keys()
    assert all(np.array_equal(written[name], trial.weights[name]) for name in written)
    assert sorted(path.name for path in (tmp_path / "tiles-trial-7").iterdir()) == ["best.safetensors", "best.yaml"]
    assert commands.run(main, trial.file, "--data", trial.data, "--threads", 1) == 2
    assert "tiles-trial-7 is not empty" in commands.err


def test_the_recipe_alone_gives_the_same_curve_also_after_an_interruption(trial: Trial, tmp_path: Path):
    prepared = prepare_again(trial.best.data, trial.data)
    assert begin(trial.best, tmp_path / "to") is False
    training = retrain(trial.best, prepared, tmp_path / "to", threads=1)
    assert same([next(training)], trial.curve[:1])
    training.close()
    assert begin(trial.best, tmp_path / "to") is True
    assert same(list(retrain(trial.best, prepared, tmp_path / "to", threads=1)), trial.curve)


def test_fewer_epochs_are_the_beginning_of_the_curve(trial: Trial, tmp_path: Path):
    begin(trial.best, tmp_path)
    reports = list(retrain(trial.best, trial.prepared, tmp_path, threads=1, epochs=1))
    assert same(reports, trial.curve[:1])


def test_a_training_stopped_before_its_first_epoch_can_begin_again(trial: Trial, tmp_path: Path):
    assert begin(trial.best, tmp_path) is False
    assert begin(trial.best, tmp_path) is True
    with pytest.raises(StudyError, match="is not empty"):
        begin(trial.best.model_copy(update={"trial": 8}), tmp_path)


def test_other_data_is_refused(commands: Commands, demo: SegmentationData, trial: Trial, tmp_path: Path):
    other = write_tiles(tmp_path / "other.npz", demo, count=59)
    assert commands.run(main, trial.file, "--data", other, "--to", tmp_path / "to") == 2
    assert re.fullmatch(
        r"error: a trial is reproduced on the data it was trained on, tiles \(fingerprint [0-9a-f]{12}\); "
        rf"{re.escape(str(other))} is other data \([0-9a-f]{{12}}\)\. Give that data with --data\n",
        commands.err,
    )
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"split_fingerprint": "0" * 64},
            "the split of the trial cannot be made again from tiles: recorded 0{12}, now",
        ),
        ({"removed_hash": "0" * 64}, "the removed outliers of the trial cannot be made again"),
        (
            {"input_size": (32, 64)},
            "the input size of the trial cannot be made again from tiles: recorded 32x64, now 64x",
        ),
    ],
)
def test_another_split_cleaning_or_size_is_refused(trial: Trial, change: dict[str, object], message: str):
    with pytest.raises(DataError, match=message):
        check_same(trial.best.data.model_copy(update=change), trial.prepared, "tiles")


def test_other_unlabelled_images_are_refused_where_the_trial_saw_some(trial: Trial):
    seen = trial.best.data.model_copy(update={"unlabelled_fingerprint": "a" * 64})
    with pytest.raises(DataError, match=r"that it saw \(fingerprint a{12}\); tiles has none\. Give the data with that"):
        check_same(seen, trial.prepared, "tiles")
    other = replace(trial.prepared, unlabelled=Unlabelled(fingerprint="b" * 64))
    with pytest.raises(DataError, match=r"tiles has others \(b{12}\)"):
        check_same(seen, other, "tiles")
    check_same(seen, other, "tiles", unlabelled=False)
    misfit = replace(trial.prepared, unlabelled=Unlabelled(misfit="test_set has 3 channels"))
    with pytest.raises(DataError, match=r"tiles has none that fit \(test_set has 3 channels\)\. Give the data"):
        check_same(seen, misfit, "tiles")
    check_same(trial.best.data, other, "tiles")  # recorded before such images existed


def test_the_command_asks_for_the_unlabelled_images_of_a_pseudo_labelled_trial(
    commands: Commands, trial: Trial, tmp_path: Path
):
    augment = trial.best.config.augment.model_copy(update={"pseudo_labels": PseudoLabels()})
    config = trial.best.config.model_copy(update={"augment": augment})
    identity = trial.best.data.model_copy(update={"unlabelled_fingerprint": "a" * 64})
    (tmp_path / "best.yaml").write_text(trial.best.model_copy(update={"config": config, "data": identity}).to_yaml())
    assert commands.run(main, tmp_path / "best.yaml", "--data", trial.data, "--to", tmp_path / "to") == 2
    assert commands.err.startswith("error: a trial with pseudo-labels is reproduced on the images without labels")
    assert not (tmp_path / "to").exists()


def test_the_recorded_seed_makes_the_split(trial: Trial):
    other = trial.best.data.model_copy(update={"split": trial.best.data.split.model_copy(update={"seed": 4})})
    with pytest.raises(DataError, match="the split of the trial cannot be made again"):
        prepare_again(other, trial.data)


def test_what_the_split_was_stratified_on_makes_it_again(trial: Trial):
    prepared = prepare_data(trial.data, seed=3, stratify="dispersion-quantile")
    assert prepared.split.fingerprint != trial.prepared.split.fingerprint
    assert prepare_again(data_identity("tiles", prepared), trial.data).split == prepared.split


def test_bad_counts_and_files(commands: Commands, trial: Trial, tmp_path: Path):
    assert commands.run(main, trial.file, "--epochs", 0) == 2
    assert commands.err == "error: --epochs must be at least 1, got 0\n"
    assert commands.run(main, trial.file, "--threads", -1) == 2
    assert commands.err == "error: --threads must be at least 1, got -1\n"
    (tmp_path / "notes.yaml").write_text("a: 1\n")
    assert commands.run(main, tmp_path / "notes.yaml") == 2
    assert "is not a best.yaml of this version" in commands.err


def test_threads_are_the_recorded_ones(trial: Trial):
    assert choose_threads(trial.best.model_copy(update={"threads": 3})) == 3
    assert choose_threads(trial.best.model_copy(update={"threads": None})) >= 1


def test_a_divergence_is_told_as_such(trial: Trial, tmp_path: Path, monkeypatch):
    def diverges(*arguments: object):
        yield trial.curve[0]
        raise NotFiniteError("the training loss became nan in epoch 2")

    monkeypatch.setattr("search.selection.reproduction.train_in_worker", diverges)
    with pytest.raises(StudyError, match="the training diverged where the trial did not: the training loss became nan"):
        list(retrain(trial.best, trial.prepared, tmp_path, threads=1))


def test_the_verdict_names_what_differs(trial: Trial):
    best = trial.best.model_copy(update={"miou": 0.5, "epoch": 2})
    low, high = (trial.curve[0].model_copy(update={"epoch": epoch, "miou": epoch / 4 - 0.125}) for epoch in (1, 2))
    assert verdict(best, [low]) == (
        "best mIoU 0.1250 at epoch 1; recorded 0.5000 at epoch 2, which this training did not reach"
    )
    assert verdict(best, [low, high]) == (
        "best mIoU 0.3750 at epoch 2; recorded 0.5000 at epoch 2, now 0.3750 there (-0.1250)"
    )
    older = best.model_copy(update={"versions": {"optuna": version("optuna"), "torch": "1.0"}})
    assert verdict(older, [low, high]).endswith(f"; with other versions: torch {version('torch')} (was 1.0)")


@pytest.fixture(scope="module")
def started(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """A trial that started from the weights of the other one."""
    folder = tmp_path_factory.mktemp("started")
    start = read_initial_weights(str(trial.file.parent / "best.safetensors"))
    prepared = trial.prepared.starting_from(start)
    config = trial.best.config.model_copy(update={"pretrained": start.pretrained})
    curve = list(train(config, prepared.trial, trial_files(folder)))
    top = max(curve, key=lambda report: report.miou)
    best = trial.best.model_copy(update={"config": config, "miou": top.miou, "epoch": top.epoch})
    (folder / "best.yaml").write_text(best.to_yaml())
    return replace(trial, prepared=prepared, file=folder / "best.yaml", best=best, curve=curve)


def test_a_trial_that_started_from_a_file_needs_it_again(
    commands: Commands, trial: Trial, started: Trial, tmp_path: Path
):
    weights = trial.file.parent / "best.safetensors"
    digest = started.best.config.pretrained.removeprefix("sha256:")[:12]
    rest = ("--data", trial.data, "--to", tmp_path / "to")
    assert commands.run(main, started.file, *rest) == 2
    assert commands.err == (
        f"error: this trial started from the weights of a file (sha256:{digest}): "
        "give that file with --pretrained FILE\n"
    )
    assert commands.run(main, started.file, "--pretrained", started.file.parent / "best.safetensors", *rest) == 2
    assert re.search(r"names the weights of a file \(sha256:[0-9a-f]{12}\): give that file", commands.err)
    assert commands.run(main, started.file, "--pretrained", tmp_path / "nowhere", *rest) == 2
    assert "nowhere cannot be read: No such file" in commands.err
    assert not (tmp_path / "to").exists()
    assert commands.run(main, started.file, "--pretrained", weights, *rest) == 0
    lines = commands.out.splitlines()
    assert lines[1] == "100% of the parameters started from given weights"
    assert lines[-2].endswith("the same value to the last digit")


def test_a_trial_that_started_at_random_takes_no_file(commands: Commands, trial: Trial, tmp_path: Path):
    weights = trial.file.parent / "best.safetensors"
    assert commands.run(main, trial.file, "--data", trial.data, "--pretrained", weights, "--to", tmp_path / "to") == 2
    assert commands.err.startswith("error: this trial started from random weights, and --pretrained ")
    assert commands.err.endswith(": leave --pretrained out\n")


def test_timms_weights_are_looked_for_again(trial: Trial, monkeypatch: pytest.MonkeyPatch):
    looked = []
    monkeypatch.setattr("search.selection.initial_weights.fetch_weights", looked.append)
    network = EncoderNetConfig(in_channels=1, classes=5, encoder="resnet10t")
    config = trial.best.config.model_copy(update={"pretrained": "imagenet", "model": network})
    assert initial_weights_again(config, None) == InitialWeights(pretrained="imagenet")
    assert initial_weights_again(trial.best.config.model_copy(update={"pretrained": "imagenet"}), None).weights is None
    assert looked == [["resnet10t"]]


def test_a_start_that_no_longer_fits_is_told_as_such(started: Trial, tmp_path: Path):
    other = {"network.unknown": np.zeros((2, 2), np.float32)}
    prepared = replace(started.prepared, trial=replace(started.prepared.trial, initial_weights=other))
    with pytest.raises(StudyError, match="the network cannot start from its weights: none of the file's 1 tensors"):
        list(retrain(started.best, prepared, tmp_path, threads=1))
