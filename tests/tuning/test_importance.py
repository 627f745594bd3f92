"""Parameters of a study, and which of them mattered, where that is known."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.tuning.importance import FEWEST_TRIALS, completed, importances
from search.tuning.parameters import Parameter, parameters_of, read_parameters
from search.tuning.record import TrialRecord
from tests.reporting.studies import record
from tests.tuning.made_up import search, study_in

RATE = Parameter(name="rate", low=1e-4, high=1e-2, log=True)
WIDTH = Parameter(name="width", options=(8, 16, 32))
IDLE = Parameter(name="idle", low=0.0, high=1.0)
OWN = Parameter(name="width.own", low=0.0, high=10.0)
PARAMETERS = {parameter.name: parameter for parameter in (RATE, WIDTH, IDLE, OWN)}


def trials(count: int, seed: int = 0) -> list[TrialRecord]:
    """The rate decides nearly all, the width a little, `idle` nothing; only width 8 has `width.own`, without effect."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(count):
        position, width = float(generator.random()), WIDTH.options[int(generator.integers(3))]
        params = {"rate": RATE.value(position), "width": width, "idle": float(generator.random())}
        if width == 8:
            params["width.own"] = float(10 * generator.random())
        value = 0.5 * position + (0.05 if width == 32 else 0.0)
        made.append(record(number, {1: value}, params=params, started=datetime(2026, 1, 1)))
    return made


def test_positions_and_values_are_inverse() -> None:
    assert RATE.position(1e-3) == pytest.approx(0.5)
    assert RATE.value(0.5) == pytest.approx(1e-3)
    assert [WIDTH.position(option) for option in WIDTH.options] == [0, 0.5, 1]
    assert IDLE.position(0.25) == IDLE.value(0.25) == 0.25
    assert Parameter(name="x", options=("only",)).position("only") == 0
    with pytest.raises(ValueError, match="not in tuple"):
        WIDTH.position(64)


def test_parameters_of_all_trials_are_joined() -> None:
    found = parameters_of(
        [
            {"b": FloatDistribution(0.1, 1.0, log=True)},
            {"b": FloatDistribution(0.01, 0.5, log=True), "a": IntDistribution(3, 5)},
            {"c": CategoricalDistribution((None, "x"))},
        ]
    )
    assert list(found) == ["a", "b", "c"]
    assert found["a"] == Parameter(name="a", low=3, high=5, whole=True)
    assert found["b"] == Parameter(name="b", low=0.01, high=1.0, log=True)
    assert found["c"] == Parameter(name="c", options=(None, "x"))


def test_parameters_are_read_from_a_stored_study(tmp_path: Path) -> None:
    assert read_parameters(tmp_path) == {}
    study = study_in(tmp_path)
    search(study._storage, tmp_path, trials=3)
    found = read_parameters(tmp_path)
    assert found["model.width"] == Parameter(name="model.width", options=(8, 16, 24))
    assert found["optimizer.learning_rate"] == Parameter(name="optimizer.learning_rate", low=1e-4, high=1e-2, log=True)
    assert {name for trial in study.records() for name in trial.params} == set(found)


def test_what_decides_is_found_and_what_does_not_is_not() -> None:
    found = {entry.name: entry for entry in importances(trials(60), PARAMETERS, forests=3)}
    assert found["rate"].mean > 0.8
    assert found["rate"].mean > 10 * max(found["width"].mean, found["idle"].mean, found["width.own"].mean)
    assert found["idle"].mean < 0.02
    assert all(entry.spread >= 0 for entry in found.values())
    assert found["rate"].trials == 60
    assert found["width.own"].trials == sum("width.own" in trial.params for trial in trials(60)) < 60
    names = [entry.name for entry in importances(trials(60), PARAMETERS, forests=1)]
    assert names[0] == "rate"
    assert importances(trials(30), PARAMETERS, forests=1) == importances(trials(30), PARAMETERS, forests=1)


def test_there_are_none_where_nothing_can_be_told() -> None:
    assert importances(trials(FEWEST_TRIALS - 1), PARAMETERS) == ()
    same = [record(number, {1: 0.5}, params={"idle": number / 20}) for number in range(20)]
    assert importances(same, PARAMETERS) == ()
    constant = [record(number, {1: number / 20}, params={"width": 8}) for number in range(20)]
    assert importances(constant, PARAMETERS) == ()


def test_a_trial_without_a_parameter_stands_in_the_middle_of_the_others() -> None:
    found = completed(
        [
            record(0, {1: 0.1}, params={"idle": 0.0, "width": 8}),
            record(1, {1: 0.1}, params={"idle": 0.4, "width": 32}),
            record(2, {1: 0.1}, params={"idle": 1.0, "width": 32}),
            record(3, {1: 0.1}, params={"idle": 0.3, "width": 32}),
            record(4, {1: 0.1}, params={"idle": 0.9, "width": 16, "rate": 1e-3}),
            record(5, {1: 0.1}, params={"rate": 1e-4}),
        ],
        {"idle": IDLE, "width": WIDTH, "rate": RATE},
    )
    assert found == {"idle": [0.0, 0.4, 1.0, 0.3, 0.9, 0.4], "width": [0, 2, 2, 2, 1, 2]}
