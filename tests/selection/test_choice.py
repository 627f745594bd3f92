"""Choosing on validation, with networks whose quality is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from search.data.samples import Samples, TrialData
from search.errors import StudyError
from search.selection import choice as module
from search.selection.choice import Chooser, best_system
from search.selection.predictor import read_predictor
from search.selection.systems import Asked
from search.selection.tasks import ENSEMBLE, NETWORK, SOUP, Choice, Choosing
from search.selection.trainings import Training, TrainingResult
from search.training.checkpoint import pack_weights
from search.training.outcome import TrialOutcome
from spaces.config import TrialConfig
from spaces.unet_family import unet_family
from tests.contracts.fake_training import facts
from tests.tuning.made_up import report

CONFIG: TrialConfig = unet_family(facts()).default
SOIL, ROCK = 1, 2


class Thresholds(nn.Module):
    """Tells rock from soil by the grey value: above `threshold` is rock. `darkness` makes dark pixels background."""

    def __init__(self, threshold: float = 0.5, darkness: float = -1.0) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.full((1, 1, 1, 1), threshold))
        self.darkness = nn.Parameter(torch.full((1, 1, 1, 1), darkness))

    def forward(self, images: Tensor) -> Tensor:
        grey = images[:, :1]
        return torch.cat([50 * (self.darkness - grey), 0 * grey, 50 * (grey - self.threshold)], dim=1)


def data() -> TrialData:
    """Grey values from 0 to 1; rock is what is brighter than one half."""
    grey = np.random.default_rng(0).integers(0, 256, (8, 64, 128), dtype=np.uint8)
    part = Samples(images=grey[..., None], masks=np.where(grey > 127, ROCK, SOIL).astype(np.uint8))
    return TrialData(train=part, validation=part, facts=facts())


@pytest.fixture
def choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Choice]:
    """Choose among networks given as {system: [(network, mIoU that its training told)]}."""
    monkeypatch.setattr("models.build.build_model", lambda _: Thresholds())
    monkeypatch.setattr(module, "build_model", lambda _: Thresholds())

    def chosen(systems: dict[str, list[tuple[Thresholds, float]]], **changes: bool) -> Choice:
        results = {
            name: [left(tmp_path, name, seed, *run) for seed, run in enumerate(runs)] for name, runs in systems.items()
        }
        asked = Asked(**{"calibrate": False, **changes})
        return Chooser(Choosing(data=data(), asked=asked, results=results, folder=tmp_path, threads=1)).choose()

    return chosen


def left(folder: Path, system: str, seed: int, network: Thresholds, miou: float) -> TrainingResult:
    """What a training leaves."""
    training = Training(system=system, config=CONFIG.model_copy(update={"seed": seed}))
    result = TrainingResult(training, folder / "trainings" / training.name)
    result.folder.mkdir(parents=True)
    (result.folder / "config.yaml").write_text(training.config.to_yaml())
    (result.folder / "reports.json").write_text(f"[{report(1, miou).model_dump_json()}]")
    (result.folder / "outcome.json").write_text(TrialOutcome(kind="trained").model_dump_json())
    result.weights.write_bytes(pack_weights(network))
    return result


def test_the_best_mean_wins_not_the_best_seed(choose) -> None:
    found = choose(
        {
            "trial-1": [(Thresholds(0.3), 0.9), (Thresholds(0.2), 0.1)],
            "trial-2": [(Thresholds(0.4), 0.6), (Thresholds(0.35), 0.7)],
        },
        ensemble=False,
    )
    assert found.system == "trial-2"
    assert found.candidates[0].words == "trial 2, seed 1"


def test_an_ensemble_that_errs_on_both_sides_beats_its_members(choose, tmp_path: Path) -> None:
    found = choose({"trial-1": [(Thresholds(0.4), 0.7)], "trial-2": [(Thresholds(0.6), 0.6)]}, tta=False)
    assert found.chosen == ENSEMBLE
    assert found.predictors[ENSEMBLE] > 0.99 > found.predictors[NETWORK]
    predictor = read_predictor(tmp_path / ENSEMBLE)
    assert sorted(member.origin for member in predictor.members) == ["trial 1, seed 0", "trial 2, seed 0"]
    assert sorted(path.name for path in (tmp_path / ENSEMBLE).glob("*.safetensors")) == sorted(
        member.weights for member in predictor.members
    )


def test_one_that_does_not_beat_its_best_member_is_not_built(choose, tmp_path: Path) -> None:
    found = choose({"trial-1": [(Thresholds(0.5), 0.9)], "trial-2": [(Thresholds(0.9), 0.5)]}, tta=False)
    assert found.chosen == NETWORK
    assert not (tmp_path / ENSEMBLE).exists()


def test_a_soup_that_meets_in_the_middle_is_chosen(choose, tmp_path: Path) -> None:
    found = choose({"trial-1": [(Thresholds(0.4), 0.7), (Thresholds(0.6), 0.6)]}, tta=False, ensemble=False)
    assert found.chosen == SOUP
    assert found.predictors[SOUP] > 0.99
    (member,) = read_predictor(tmp_path / SOUP).members
    assert member.origin == "the mean of trial 1, seed 0, trial 1, seed 1"
    assert [path.name for path in (tmp_path / SOUP).glob("*.safetensors")] == [member.weights]


def test_networks_of_different_configurations_are_never_stirred(choose, tmp_path: Path) -> None:
    found = choose({"trial-1": [(Thresholds(0.4), 0.7)], "trial-2": [(Thresholds(0.6), 0.6)]}, ensemble=False)
    assert list(found.predictors) == [NETWORK]
    assert not (tmp_path / SOUP).exists()


def test_the_background_is_suppressed_where_that_helps(choose, tmp_path: Path) -> None:
    found = choose({"trial-1": [(Thresholds(0.5, darkness=0.2), 0.7)]}, tta=False, ensemble=False)
    assert read_predictor(tmp_path / NETWORK).excluded == (0,)
    assert [candidate.words for candidate in found.candidates] == [
        "trial 1, seed 0",
        "trial 1, seed 0, never background",
    ]
    assert found.candidates[1].miou > found.candidates[0].miou


def test_flips_that_change_nothing_are_not_taken(choose, tmp_path: Path) -> None:
    found = choose({"trial-1": [(Thresholds(0.4), 0.7)]}, ensemble=False)
    assert read_predictor(tmp_path / NETWORK).flips == ("none",)
    assert [candidate.words[-7:] for candidate in found.candidates[-2:]] == ["2 flips", "4 flips"]


def test_a_temperature_is_fitted_and_changes_no_class(choose, tmp_path: Path) -> None:
    found = choose({"trial-1": [(Thresholds(0.4), 0.7)]}, ensemble=False, tta=False, calibrate=True)
    (member,) = read_predictor(tmp_path / NETWORK).members
    assert member.temperature > 1  # sure of what it gets wrong
    assert found.predictors[NETWORK] == found.candidates[0].miou


def test_one_that_failed_from_a_seed_comes_last_and_none_at_all_is_an_error(tmp_path: Path) -> None:
    good = [left(tmp_path, "trial-1", seed, Thresholds(), 0.4) for seed in range(2)]
    failed = left(tmp_path, "trial-2", 1, Thresholds(), 0.9)
    (failed.folder / "outcome.json").write_text(
        TrialOutcome(kind="not_finite", reason="the loss is nan").model_dump_json()
    )
    mixed = [left(tmp_path, "trial-2", 0, Thresholds(), 0.9), failed]
    assert best_system({"trial-1": good, "trial-2": mixed}) == "trial-1"
    with pytest.raises(StudyError, match="could be trained again:\ntrial 2, seed 1: the loss is nan\nThe same command"):
        best_system({"trial-2": [failed]})
