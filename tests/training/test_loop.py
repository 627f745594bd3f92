"""One trial: repeatable, resumable at any epoch, and honest about how it ended."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.build import build_model
from search.data.samples import VOID, Samples, TrialData
from search.files import UnwritableError, write_whole
from search.training.checkpoint import load_checkpoint, load_weights, pack_checkpoint
from search.training.outcome import EpochReport, NotFiniteError, TrialOutcome
from search.training.validation import objective, validate
from spaces.config import AugmentConfig, BudgetConfig, TrialConfig
from spaces.losses import BoundaryTerm, DiceTerm, LossConfig
from spaces.networks import ASPP, UNetConfig
from tests.training.trials import (
    CPU,
    SMALL,
    config,
    curve,
    data,
    facts,
    of_many_sizes,
    run,
    weights_of,
)


def test_the_same_seed_gives_the_same_curve_to_the_last_bit(tmp_path: Path) -> None:
    dropping = config(model=SMALL.model_copy(update={"dropout": 0.3}), augment=AugmentConfig(geometric="complex"))
    first, outcome = run(tmp_path / "a", dropping)
    assert curve(first) == curve(run(tmp_path / "b", dropping)[0])
    assert weights_of(tmp_path / "a") == weights_of(tmp_path / "b")
    assert curve(first) != curve(run(tmp_path / "c", dropping.model_copy(update={"seed": 4}))[0])
    assert outcome == TrialOutcome(kind="trained")
    assert [report.epoch for report in first] == [1, 2, 3, 4, 5]


OPTIMIZERS = {
    "adamw, average, cosine": {"algorithm": "adamw", "schedule": "cosine"},
    "sgd, plateau": {"algorithm": "sgd", "schedule": "plateau", "learning_rate": 1e-9, "ema_decay": None},
    "ranger": {"algorithm": "ranger", "schedule": "constant", "ema_decay": None},
    "lion, poly": {"algorithm": "lion", "schedule": "poly", "learning_rate": 2e-4},
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_an_interrupted_trial_goes_on_as_if_nothing_had_been(tmp_path: Path, optimizer: dict) -> None:
    """The plateau's rate barely moves the network: it has no better epoch, and its state decides the rates."""
    dropping = config(model=SMALL.model_copy(update={"dropout": 0.2}), epochs=7, warmup_epochs=1, **optimizer)
    whole, _ = run(tmp_path / "whole", dropping)
    found = []
    for _ in range(3):
        found += run(tmp_path / "torn", dropping, epochs=2, known=len(found))[0]
    rest, outcome = run(tmp_path / "torn", dropping, known=len(found))
    assert curve(found + rest) == curve(whole)
    assert weights_of(tmp_path / "torn") == weights_of(tmp_path / "whole")
    assert outcome == TrialOutcome(kind="trained")
    if optimizer["schedule"] == "plateau":
        assert whole[-1].learning_rate < 0.5 * whole[3].learning_rate


def test_known_epochs_are_not_reported_again_and_unknown_ones_are(tmp_path: Path) -> None:
    whole, _ = run(tmp_path / "whole", config())
    run(tmp_path / "torn", config(), epochs=3)
    for known in (0, 2, 3):
        copy = tmp_path / f"from {known}"
        copy.mkdir()
        (copy / "checkpoint.pt").write_bytes((tmp_path / "torn" / "checkpoint.pt").read_bytes())
        assert curve(run(copy, config(), known=known)[0]) == curve(whole[known:])


def test_a_trial_that_was_done_says_so_again(tmp_path: Path) -> None:
    run(tmp_path, config())
    assert run(tmp_path, config(), known=5) == ([], TrialOutcome(kind="trained"))


@pytest.mark.parametrize("spoil", [lambda _: b"", lambda whole: whole[: len(whole) // 2], lambda whole: b"x" * 5000])
def test_a_spoiled_checkpoint_means_training_again(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    """A disk that ran full or a machine that lost power must not fail the trial."""
    whole, _ = run(tmp_path / "whole", config())
    run(tmp_path / "torn", config(), epochs=3)
    checkpoint = tmp_path / "torn" / "checkpoint.pt"
    checkpoint.write_bytes(spoil(checkpoint.read_bytes()))
    rest, outcome = run(tmp_path / "torn", config(), known=3)
    assert curve(rest) == curve(whole[3:])
    assert outcome == TrialOutcome(kind="trained")


def test_a_checkpoint_of_another_configuration_is_not_continued(tmp_path: Path) -> None:
    other = config(learning_rate=1e-4)
    run(tmp_path / "torn", config(), epochs=3)
    assert curve(run(tmp_path / "torn", other)[0]) == curve(run(tmp_path / "whole", other)[0])


def test_early_stopping_counts_epochs_since_the_first_best(tmp_path: Path) -> None:
    still = config(epochs=20, patience=3, algorithm="sgd", learning_rate=1e-12, warmup_epochs=0, ema_decay=None)
    frozen = still.model_copy(update={"model": SMALL.model_copy(update={"norm": {"kind": "none"}})})
    frozen = TrialConfig.model_validate(frozen.model_dump(warnings=False))
    reports, outcome = run(tmp_path, frozen)
    assert outcome is not None
    assert (outcome.kind, outcome.reason) == ("early_stopped", "no better mIoU for 3 epochs")
    assert len({report.miou for report in reports}) == 1
    assert len(reports) == 4
    again, same = run(tmp_path, frozen, known=4)
    assert (again, same) == ([], outcome)


def test_weights_are_of_the_first_best_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records name the first epoch that has the best value: the weights must be of that one, also after a tie."""
    values = iter([0.2, 0.5, 0.5, 0.4, 0.5])
    monkeypatch.setattr("search.training.loop.objective", lambda confusion, facts: next(values))
    run(tmp_path / "whole", config())
    values = iter([0.2, 0.5])
    run(tmp_path / "two", config(), epochs=2)
    assert weights_of(tmp_path / "whole") == weights_of(tmp_path / "two")


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_the_best_weights_reproduce_the_best_value(tmp_path: Path, ema_decay: float | None) -> None:
    fast = config(ema_decay=ema_decay, learning_rate=1e-2, epochs=6)
    reports, _ = run(tmp_path, fast)
    network = build_model(fast.model)
    load_weights(tmp_path / "best.safetensors", network)
    confusion = validate(network, data(), CPU)
    assert objective(confusion, facts()) == max(report.miou for report in reports)


DIVERGING = {"algorithm": "sgd", "learning_rate": 1e30, "warmup_epochs": 0, "ema_decay": None}


def test_a_loss_that_is_no_number_ends_the_trial_within_the_epoch(tmp_path: Path) -> None:
    plain = UNetConfig.model_validate({**SMALL.model_dump(), "norm": {"kind": "none"}})
    with pytest.raises(NotFiniteError, match=r"^the training loss became (nan|inf) in epoch 1$"):
        run(tmp_path, config(model=plain, **DIVERGING))
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_breaks_later_keeps_the_epochs_before(tmp_path: Path) -> None:
    plain = UNetConfig.model_validate({**SMALL.model_dump(), "norm": {"kind": "none"}})
    calm = {**DIVERGING, "learning_rate": 1e-3}
    first, _ = run(tmp_path, config(model=plain, **calm), epochs=1)
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert state is not None
    diverging = config(model=plain, **DIVERGING).model_dump(mode="json")
    write_whole(tmp_path / "checkpoint.pt", pack_checkpoint({**state, "config": diverging}))
    with pytest.raises(NotFiniteError, match=r"in epoch 2$"):
        run(tmp_path, config(model=plain, **DIVERGING), known=1)
    assert len(first) == 1
    assert (tmp_path / "best.safetensors").exists()


def test_a_disk_too_full_for_the_checkpoint_keeps_the_weights_of_the_epoch_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = run(tmp_path, config(), epochs=1)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert first[0].epoch == 1
    assert len(before) == 2
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "checkpoint" in path.name:
            write(path, content[:100])
            raise OSError(28, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UnwritableError, match=r"No space left on device: .*checkpoint"):
        run(tmp_path, config(), known=1)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("scale", [1.0, 0.6])
def test_images_of_many_sizes_train_and_are_measured_at_their_own(tmp_path: Path, scale: float) -> None:
    made = of_many_sizes(scale)
    assert not made.uniform
    reports, _ = run(tmp_path, config(epochs=2), on=made)
    network = build_model(SMALL)
    load_weights(tmp_path / "best.safetensors", network)
    confusion = validate(network, made, CPU)
    assert int(confusion.sum()) == sum(int((mask != VOID).sum()) for mask in made.validation.masks)
    assert max(report.miou for report in reports) == objective(confusion, made.facts)


def test_images_of_one_size_that_is_not_the_training_size(tmp_path: Path) -> None:
    larger = data(height=40, width=80)
    made = TrialData(train=larger.train, validation=larger.validation, facts=facts(32, 64))
    assert not made.uniform
    assert len(run(tmp_path, config(epochs=1), on=made)[0]) == 1


def test_windows_and_batches_measure_the_same(tmp_path: Path) -> None:
    """Images of the training size give one confusion matrix by either way."""
    uniform = data()
    parts = Samples(images=tuple(uniform.validation.images), masks=tuple(uniform.validation.masks))
    listed = TrialData(train=uniform.train, validation=parts, facts=uniform.facts)
    torch.manual_seed(0)
    network = build_model(SMALL)
    assert torch.equal(validate(network, listed, CPU), validate(network, uniform, CPU))


CONFIGS = {
    "boundary": {"loss": LossConfig(dice=DiceTerm(weight=0.5), boundary=BoundaryTerm(weight=0.5))},
    "deep supervision": {"model": SMALL.model_copy(update={"depth": 3, "deep_supervision": 0.4})},
    "bfloat16": {},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_every_kind_of_step_lowers_the_loss(tmp_path: Path, name: str) -> None:
    made = config(epochs=4, learning_rate=1e-2, augment=AugmentConfig(geometric="none"), **CONFIGS[name])
    if name == "bfloat16":
        made = made.model_copy(update={"budget": BudgetConfig(max_epochs=4, precision="bfloat16")})
    reports, _ = run(tmp_path, made)
    assert reports[-1].train_loss < reports[0].train_loss


@pytest.mark.parametrize("images", [4, 5, 33])
def test_no_number_of_images_breaks_pooled_statistics(tmp_path: Path, images: int) -> None:
    """The pooled branch of ASPP has nothing to normalize over in a batch of one, which averaging may meet."""
    pooled = SMALL.model_copy(update={"bottleneck": ASPP(rates=(1, 2), width=4)})
    reports, _ = run(tmp_path, config(model=pooled, epochs=1), on=data(images, height=16, width=16))
    assert np.isfinite(reports[0].train_loss)


def test_a_report_holds_what_a_study_records(tmp_path: Path) -> None:
    report = run(tmp_path, config(epochs=1))[0][0]
    assert len(report.class_iou) == 3
    assert report.miou == pytest.approx(np.mean([value or 0.0 for value in report.class_iou[1:]]))
    assert set(report.readings) == {"fg_masked", "keras_masked", "standard_fg"}
    assert report.readings["fg_masked"] == report.miou
    assert report.seconds > 0
    assert EpochReport.model_validate_json(report.model_dump_json()) == report
