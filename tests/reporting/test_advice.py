"""What a next search should do: made-up studies in which it is known."""

import math
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from search.reporting.advice import (
    advice_blocks,
    edge_sentences,
    edges,
    epoch_sentences,
    last_spread,
    noise,
    noise_sentences,
    refused_sentences,
    time_sentences,
    top,
    unimportant_sentences,
)
from search.reporting.material import Material
from search.reporting.measurements import Measurements, NetworkCost
from search.tuning.importance import Importance
from search.tuning.parameters import Parameter
from search.tuning.reading import StoredStudy
from search.tuning.record import TrialRecord
from tests.reporting.answers import answer
from tests.reporting.studies import record
from tests.tuning.made_up import spec


def material(records: list[TrialRecord], **changes) -> Material:
    whole = Material(
        study=StoredStudy(folder=Path("mars"), spec=spec(), records=records), parameters={}, running=False, runs=(),
        audit=None, best=None, answer=None, measured=Measurements(identity=""),
    )  # fmt: skip
    return replace(whole, **changes)


def having(name: str, values: list) -> list[TrialRecord]:
    return [record(number, {1: 0.5}, params={name: value}) for number, value in enumerate(values)]


RATE = Parameter(name="rate", low=1e-4, high=1e-2, log=True)
DROP = Parameter(name="drop", low=0.0, high=0.4)
WIDTH = Parameter(name="width", options=(8, 16, 32))
NORM = Parameter(name="norm", options=("batch", "group"))
DEPTH = Parameter(name="depth", low=3, high=5, whole=True)


@pytest.mark.parametrize(
    ("parameter", "values", "upper"),
    [
        (RATE, [9e-3, 8e-3, 1e-2, 1e-3, 1e-4], True),
        (RATE, [1.1e-4, 1e-4, 1.4e-4, 1e-3, 1e-2], False),
        (RATE, [1e-2, 1e-2, 1e-3, 1e-3, 1e-3], None),
        (DROP, [0.0, 0.0, 0.01, 0.02, 0.0], None),
        (DROP, [0.4, 0.39, 0.38, 0.1, 0.1], True),
        (WIDTH, [32, 32, 32, 8, 16], True),
        (WIDTH, [8, 8, 8, 16, 16], False),
        (NORM, ["batch"] * 5, None),
        (DEPTH, [5, 5, 5, 4, 3], True),
        (DEPTH, [4, 4, 4, 5, 3], None),
        (RATE, [1e-2] * 4, None),
        (Parameter(name="loss.dice.u", low=0.0, high=1.0), [0.99] * 5, None),
    ],
)
def test_ranges_that_are_hit_at_their_edge(parameter: Parameter, values: list, upper: bool | None) -> None:
    found = edges(having(parameter.name, values), {parameter.name: parameter})
    assert [edge.upper for edge in found] == ([] if upper is None else [upper])


def test_the_sentence_names_range_end_and_count() -> None:
    (sentence,) = edge_sentences(having("width", [32, 32, 32, 8, 16]), {"width": WIDTH})
    assert sentence.startswith(
        "width: 3 of the best 5 trials that have it lie at the upper end of 8 to 32. Values above 32"
    )


def test_parameters_without_effect_are_named_where_half_of_the_trials_have_them() -> None:
    def importance(name: str, mean: float, spread: float, trials: int) -> Importance:
        return Importance(name=name, mean=mean, spread=spread, trials=trials)

    found = [importance("rate", 0.6, 0.1, 20), importance("idle", 0.004, 0.001, 20)]
    found += [importance("unsure", 0.009, 0.02, 20), importance("seldom", 0.0, 0.0, 9)]
    (sentence,) = unimportant_sentences(found, 20)
    assert ": idle. Fixed" in sentence
    assert unimportant_sentences(found[:1], 20) == []
    assert unimportant_sentences(found, 19) == []


def test_noise_is_the_answers_else_that_of_the_last_epochs() -> None:
    values = [0.1, 0.5, 0.52, 0.48, 0.5, 0.51]
    trial = record(0, dict(enumerate(values, 1)))
    assert last_spread(trial) == statistics.stdev(values[-5:])
    assert last_spread(record(1, {1: 0.5})) is None
    known = noise(material([trial, record(1, {1: 0.2})]))
    assert known is not None
    assert known.value == pytest.approx(statistics.stdev(values[-5:]))
    told = noise(material([trial], answer=answer()))
    assert told is not None
    assert (told.value, told.words) == (0.008, "the standard deviation between seeds")
    assert noise(material([record(1, {1: 0.2})])) is None


def test_trials_within_the_noise_and_the_cheapest_of_them() -> None:
    """Seed noise 0.008: differences below 2 sqrt(2) 0.008 = 0.0226 may be chance."""
    trials = [record(number, {1: value}) for number, value in enumerate((0.60, 0.59, 0.58, 0.577, 0.5))]
    costs = {
        number: NetworkCost(configuration="", parameters=1, macs=macs) for number, macs in enumerate((9, 4, 7, 1, 1))
    }
    known = material(trials, answer=answer(), measured=Measurements(identity="", costs=costs))
    (sentence,) = noise_sentences(known)
    assert sentence.startswith("3 trials are within the noise of the best one (0.0080,")
    assert f"below {2 * math.sqrt(2) * 0.008:.4f} may be chance): 0, 1, 2." in sentence
    assert "trial 1 needs the fewest multiply-adds" in sentence
    (alone,) = noise_sentences(material([trials[0], trials[4]], answer=answer()))
    assert alone.startswith("Trial 0 is ahead by more than the noise")


def test_trials_that_end_at_their_best_should_be_longer() -> None:
    late, early = record(0, {1: 0.1, 9: 0.5}), record(1, {1: 0.5, 9: 0.1})
    assert "2 of the best 3 trials" in epoch_sentences([late, late, early], 9)[0]
    assert epoch_sentences([late, early], 9) == []


def test_whether_the_search_was_still_getting_better() -> None:
    def rising(at: int) -> list[TrialRecord]:
        return [record(number, {1: 0.6 if number == at else 0.5 - number / 100}) for number in range(10)]

    assert "still getting better" in time_sentences(rising(9))[0]
    assert "has not risen since" in time_sentences(rising(2))[0]
    assert time_sentences(rising(5)) == []
    assert time_sentences([record(0)]) == []


def test_limits_that_refuse_much_are_named() -> None:
    refused = [record(number, refused=True, feasible=False, state="PRUNED") for number in range(4)]
    assert refused_sentences([*refused, record(9, {1: 0.5})])
    assert refused_sentences([refused[0], *(record(number, {1: 0.5}) for number in range(4))]) == []


def test_few_trials_give_no_advice_and_a_quiet_study_says_so() -> None:
    (few,) = advice_blocks(material([record(0, {1: 0.5})]))
    assert "Advice needs at least 8 trials with a value; this study has 1 so far." in few.text
    quiet = [record(number, {1: 0.6 if number == 5 else 0.5}) for number in range(10)]
    (nothing,) = advice_blocks(material(quiet))
    assert nothing.text.startswith("Nothing stands out")


def test_the_best_are_a_quarter_or_five() -> None:
    assert len(top(having("x", [1] * 8))) == 5
    assert len(top(having("x", [1] * 40))) == 10
