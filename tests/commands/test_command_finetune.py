"""Fine-tuning a trained trial: what is trained, what is told about it, and that it can be done again."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_tensors
from torch import zeros
from torch.nn import Linear

from search.data.initial_weights import InitialWeights, read_weights
from search.errors import StudyError
from search.files import UnwritableError
from search.selection.finetuning import comparison, finetune, finetuned, measure_start, starting_point
from search.selection.initial_weights import initial_weights_again
from search.selection.reproduction import begin, retrain
from search.train import main
from search.training.loop import train
from search.tuning.best import read_best
from search.tuning.trial_folder import trial_files
from spaces.config import AugmentConfig, BudgetConfig, OptimizerConfig, TrialConfig
from tests.commands.studies import Commands
from tests.commands.trained import Trial, same

HASH = "0123456789abcdef" * 4
NAMED = f"sha256:{HASH}"


@pytest.fixture
def file(trial: Trial) -> Path:
    """The weights of the trial's best epoch."""
    return trial.file.parent / "best.safetensors"


@pytest.fixture
def weights(file: Path) -> InitialWeights:
    return read_weights(file, "--finetune")


def test_what_is_changed_and_what_stays(trial: Trial) -> None:
    config = trial.best.config.model_copy(
        update={
            "optimizer": OptimizerConfig(learning_rate=2e-3, warmup_epochs=4, ema_decay=0.99, schedule="poly"),
            "augment": AugmentConfig(
                geometric="complex", photometric=True, strength=0.5, vertical_flip=True, mixing="classmix",
                copy_paste=0.4, oversample=3, original_plus_augmented=True,
            ),
            "budget": BudgetConfig(max_epochs=29, patience=14, precision="bfloat16"),
        }
    )  # fmt: skip
    tuned = finetuned(config, NAMED)
    assert tuned == TrialConfig(
        model=config.model,
        loss=config.loss,
        optimizer=OptimizerConfig(learning_rate=2e-4, warmup_epochs=0, ema_decay=0.99, schedule="poly"),
        augment=AugmentConfig(
            geometric="mild", strength=1.0, vertical_flip=True, oversample=3, original_plus_augmented=True
        ),
        budget=BudgetConfig(max_epochs=9, patience=None, precision="bfloat16"),
        seed=config.seed,
        pretrained=NAMED,
    )
    assert TrialConfig.from_yaml(tuned.to_yaml()) == tuned
    assert finetuned(config, NAMED, epochs=40).budget.max_epochs == 40
    assert finetuned(trial.best.config, NAMED).budget.max_epochs == 1  # a third of two, but one at least


@pytest.mark.parametrize("wrong", ["", NAMED[:-1], NAMED.upper(), HASH])
def test_a_hash_is_a_hash(trial: Trial, wrong: str) -> None:
    with pytest.raises(ValueError, match="pretrained"):
        finetuned(trial.best.config, wrong)


def test_the_command_tells_before_from_after_and_its_result_can_be_made_again(
    commands: Commands, trial: Trial, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--data", trial.data, "--finetune", file, "--epochs", 2, "--pictures", 2)
    assert commands.run(main, trial.file, *options) == 0
    first, what, before, *epochs, told, where = commands.out.splitlines()
    assert first == "fine-tuning trial 7 of tiles, CPU threads: 1, to tiles-trial-7-finetuned"
    assert what == f"rigid augmentation, rate 1.00e-04; epoch 0 is {file} as it is"
    assert before == f"epoch 0/2  mIoU {trial.best.miou:.4f}"
    assert [line[:9] for line in epochs] == ["epoch 1/2", "epoch 2/2"]
    folder = tmp_path / "tiles-trial-7-finetuned"
    best = read_best(folder / "best.yaml")
    assert re.match(r"fine-tuning (gained|did not help) ", told)
    assert f"mIoU {trial.best.miou:.4f} before, {best.miou:.4f} at its best epoch, {best.epoch} of 2" in told
    assert where == "weights of the best epoch: tiles-trial-7-finetuned/best.safetensors"
    assert sorted(path.name for path in folder.iterdir()) == ["best.safetensors", "best.yaml", "pictures"]
    assert [path.name for path in (folder / "pictures").iterdir()] == ["epoch-002.png"]
    assert (best.study, best.trial, best.threads, best.data) == ("tiles-finetuned", 7, 1, trial.best.data)
    assert best.config.pretrained == read_weights(file, "--finetune").pretrained

    again = (folder / "best.yaml", "--data", trial.data, "--to", "again")
    assert commands.run(main, *again, "--pretrained", file) == 0
    assert "the same value to the last digit" in commands.out
    assert (tmp_path / "again" / "best.safetensors").read_bytes() == (folder / "best.safetensors").read_bytes()
    assert commands.run(main, *again) == 2
    assert re.search(r"started from the weights of a file \(sha256:[0-9a-f]{12}\): give that file", commands.err)
    assert commands.run(main, *again, "--pretrained", folder / "best.safetensors") == 2
    assert commands.err.strip().endswith("give that file")
    assert commands.run(main, trial.file, *options) == 2
    assert "tiles-trial-7-finetuned is not empty" in commands.err


def test_the_start_is_measured_as_the_trial_was(trial: Trial, weights: InitialWeights) -> None:
    start = starting_point(trial.best.model_copy(update={"miou": 0.0}), weights, threads=1)
    measured, ready = measure_start(start, trial.prepared, weights, threads=1)
    assert measured.miou == trial.best.miou
    assert measured.epoch == 0
    assert ready.trial.initial_weights is weights.weights


def test_an_interrupted_fine_tuning_goes_on(trial: Trial, weights: InitialWeights, tmp_path: Path) -> None:
    """Its best.yaml always tells of the weights that are there."""
    start = starting_point(trial.best, weights, threads=1, epochs=3)
    ready = trial.prepared.starting_from(weights)
    begin(start, tmp_path / "whole")
    whole = list(finetune(start, ready, tmp_path / "whole", threads=1))
    assert begin(start, tmp_path / "torn") is False
    training = finetune(start, ready, tmp_path / "torn", threads=1)
    assert same([next(training)], whole[:1])
    training.close()
    written = read_best(tmp_path / "torn" / "best.yaml")
    assert (written.miou, written.epoch) == (whole[0].miou, 1)
    assert begin(start, tmp_path / "torn") is True
    assert same(list(finetune(start, ready, tmp_path / "torn", threads=1)), whole)
    assert (tmp_path / "torn" / "best.yaml").read_bytes() == (tmp_path / "whole" / "best.yaml").read_bytes()
    with pytest.raises(StudyError, match="is not empty"):
        begin(starting_point(trial.best, replace(weights, pretrained=NAMED), threads=1, epochs=3), tmp_path / "torn")


def test_best_yaml_is_right_while_an_interrupted_fine_tuning_tells_its_epochs_again(
    trial: Trial, weights: InitialWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two better epochs are there: while the first is told again, the weights are those of the second."""
    values = iter((0.5, 0.6, 0.55))
    monkeypatch.setattr("search.training.loop.objective", lambda *_: next(values))
    start = starting_point(trial.best, weights, threads=1, epochs=3)
    ready = trial.prepared.starting_from(weights)
    begin(start, tmp_path)
    training = finetune(start, ready, tmp_path, threads=1)
    next(training), next(training)
    training.close()
    written = (tmp_path / "best.yaml").read_bytes()
    assert begin(start, tmp_path) is True
    found = [(tmp_path / "best.yaml").read_bytes() for _ in finetune(start, ready, tmp_path, threads=1)]
    assert found == [written] * 3
    best = read_best(tmp_path / "best.yaml")
    assert (best.miou, best.epoch) == (0.6, 2)


def test_two_stages_from_python(trial: Trial, weights: InitialWeights, tmp_path: Path) -> None:
    """Training starts from the weights: without an update the network is what it was."""
    config = finetuned(trial.best.config, weights.pretrained)
    still = config.model_copy(update={"optimizer": OptimizerConfig(algorithm="sgd", learning_rate=1e-30)})
    data = replace(trial.prepared.trial, initial_weights=weights.weights)
    (report,) = train(still, data, trial_files(tmp_path))
    assert report.epoch == 1
    trained, kept = load_file(tmp_path / "best.safetensors"), dict(weights.weights or {})
    kernels = [name for name, tensor in trained.items() if tensor.ndim > 1]
    assert kernels
    assert all(np.array_equal(trained[name], kept[name]) for name in kernels)


def test_what_fine_tuning_brought_is_told_honestly(trial: Trial) -> None:
    start = trial.best.model_copy(update={"miou": 0.5, "epoch": 0})
    reports = [trial.curve[0].model_copy(update={"epoch": n, "miou": miou}) for n, miou in ((1, 0.48), (2, 0.503))]
    assert comparison(start, reports, Path("old.safetensors")) == (
        "fine-tuning gained +0.0030 on validation: mIoU 0.5000 before, 0.5030 at its best epoch, 2 of 2. The epoch was "
        "chosen on the same images, so a small gain may be chance"
    )
    assert comparison(start, reports[:1], Path("old.safetensors")) == (
        "fine-tuning did not help on validation (-0.0200): mIoU 0.5000 before, 0.4800 at its best epoch, 1 of 1; keep "
        "the old weights, old.safetensors"
    )
    unchanged = [reports[0].model_copy(update={"miou": 0.5})]
    assert "did not help on validation (+0.0000)" in comparison(start, unchanged, Path("old.safetensors"))


def spoiled(folder: Path, kind: str, weights: InitialWeights) -> Path:
    """A file of start weights with which something is wrong."""
    path = folder / "start.safetensors"
    match kind:
        case "folder":
            path.mkdir()
        case "pickle":
            path.write_bytes(b"\x80\x02}q\x00." * 20)
        case "empty":
            path.write_bytes(b"")
        case "bfloat16":
            save_tensors({"a": zeros(1).bfloat16()}, path)
        case "another network":
            save_tensors(Linear(2, 2).state_dict(), path)
        case "another training":  # the same network, but its best.yaml tells of better weights
            save_file({name: np.zeros_like(tensor) for name, tensor in (weights.weights or {}).items()}, path)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"--finetune takes a safetensors file; \S+ cannot be read: No such file or directory"),
        ("folder", r"cannot be read: Is a directory"),
        ("pickle", r"is a pickle, as torch\.save writes it"),
        ("empty", "is empty, as a download that failed is"),
        ("bfloat16", r"takes tensors of 32 or 16 bit floats; .* \(BF16\)"),
        ("another network", r"start weights must be those of the configuration's network; they have no \S+\. Give"),
        ("another training", r"it records mIoU 0\.9000, and these reach 0\.\d{4} on the same validation part\. Give"),
    ],
)
def test_weights_that_cannot_be_trained_on(
    commands: Commands, trial: Trial, weights: InitialWeights, tmp_path: Path, kind: str, message: str
) -> None:
    best = tmp_path / "best.yaml"
    best.write_text(trial.best.model_copy(update={"miou": 0.9}).to_yaml())
    start = spoiled(tmp_path, kind, weights)
    assert commands.run(main, best, "--data", trial.data, "--finetune", start, "--to", tmp_path / "to") == 2
    assert re.search(message, commands.err)
    assert commands.err.startswith("error: ")
    assert not (tmp_path / "to").exists()


def test_options_that_do_not_go_together(commands: Commands, trial: Trial, file: Path) -> None:
    assert commands.run(main, trial.file, "--finetune", file, "--pretrained", file) == 2
    assert commands.err == "error: --finetune starts from its own weights; leave out --pretrained\n"
    assert commands.run(main, trial.file, "--pictures", 0) == 2
    assert commands.err == "error: --pictures must be at least 1, got 0\n"
    with pytest.raises(StudyError, match=r"started from random weights, and --pretrained .*: leave --pretrained out"):
        initial_weights_again(trial.best.config, str(file))


def test_a_full_disk_is_told(trial: Trial, weights: InitialWeights, tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise UnwritableError(28, "No space left on device", "best.yaml")

    monkeypatch.setattr("search.selection.finetuning.write_whole", full)
    start = starting_point(trial.best, weights, threads=1)
    with pytest.raises(StudyError, match=r"cannot be written: .*No space left.*make room and give the same command"):
        list(finetune(start, trial.prepared.starting_from(weights), tmp_path, threads=1))


def test_pictures_of_a_training_that_is_repeated(trial: Trial, tmp_path: Path) -> None:
    reports = list(retrain(trial.best, trial.prepared, tmp_path, threads=1, pictures_every=1))
    assert same(reports, trial.curve)
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["epoch-001.png", "epoch-002.png"]
