"""The names and values that trackers get."""

import pytest

from search.errors import UserError
from search.tracking.tracker import epoch_values, study_settings, trial_settings, value_names
from search.tuning import options
from search.tuning.options import Execution, RunOptions
from tests.tuning.made_up import SPACE, report, spec


def test_names_hold_nothing_that_a_library_refuses() -> None:
    names = value_names(("soil", "big rock", "a/b", "a.b", "Geröll\n(grob)", "<b>", "soil"))
    assert names == ["soil 0", "big rock", "a_b 2", "a_b 3", "Geröll__grob_", "_b_", "soil 6"]
    assert len(set(names)) == len(names)


def test_values_that_are_not_there_are_left_out() -> None:
    values = epoch_values(report(3, 0.5).model_copy(update={"class_iou": (None, 0.25)}), ("soil", "rock"))
    assert "validation/IoU soil" not in values
    assert values["validation/IoU rock"] == 0.25
    assert values["validation/mIoU"] == 0.5


def test_a_configuration_on_one_level() -> None:
    settings = trial_settings(SPACE.default)
    assert settings["optimizer.learning_rate"] == SPACE.default.optimizer.learning_rate
    assert settings["model.family"] == "unet"
    assert "optimizer.ema_decay" not in settings or settings["optimizer.ema_decay"] is not None
    assert all(isinstance(value, str | int | float | bool) for value in settings.values())


def test_the_study_in_a_few_values() -> None:
    settings = study_settings(spec())
    assert (settings["space"], settings["rungs"], settings["input_size"]) == ("small", "1, 3", "64x128")


def test_a_library_that_is_missing_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "find_spec", lambda name: None if name == "mlflow" else object())
    RunOptions().check()
    RunOptions(execution=Execution(track=("tensorboard",))).check()
    with pytest.raises(UserError) as error:
        RunOptions(execution=Execution(track=("tensorboard", "mlflow"))).check()
    assert str(error.value) == (
        "--track mlflow needs the package mlflow, which is not installed; start the command with uv run --extra mlflow"
    )
