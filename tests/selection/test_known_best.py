"""Studies whose true best is known: what an answer makes of them, against what a search alone says."""

from dataclasses import dataclass
from statistics import fmean

import numpy as np

from search.selection.choice import best_system

STUDIES = 400
CONFIGURATIONS, TOP, SEEDS = 20, 5, 3
SPREAD, NOISE = 0.03, 0.03
"""Standard deviations of the true mIoU of configurations, and of one training around it."""


@dataclass(frozen=True)
class Told:
    """A training that reached `miou`."""

    miou: float
    trained: bool = True


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is lost against the true best, and how far what is promised lies above the truth."""

    regret: float
    promise: float


def simulated(rng: np.random.Generator) -> tuple[Outcome, Outcome]:
    """One search and its answer."""
    truth = 0.6 + SPREAD * rng.standard_normal(CONFIGURATIONS)
    searched = truth + NOISE * rng.standard_normal(CONFIGURATIONS)
    order = np.argsort(-searched)
    top = {
        f"trial-{index}": [Told(float(truth[index] + NOISE * rng.standard_normal())) for _ in range(SEEDS)]
        for index in order[:TOP]
    }
    chosen = best_system(top)
    first, answered = int(order[0]), int(chosen.removeprefix("trial-"))
    best = truth.max()
    promised = fmean(run.miou for run in top[chosen])
    return (
        Outcome(regret=best - truth[first], promise=searched[first] - truth[first]),
        Outcome(regret=best - truth[answered], promise=promised - truth[answered]),
    )


def test_an_answer_is_closer_to_the_best_and_promises_less_than_the_search() -> None:
    rng = np.random.default_rng(0)
    searches, answers = zip(*(simulated(rng) for _ in range(STUDIES)), strict=True)
    regrets = np.array([[search.regret, answer.regret] for search, answer in zip(searches, answers, strict=True)])
    difference = regrets[:, 0] - regrets[:, 1]
    assert difference.mean() > 4 * difference.std() / np.sqrt(STUDIES)
    promises = [np.mean([outcome.promise for outcome in outcomes]) for outcomes in (searches, answers)]
    assert promises[0] > NOISE  # the largest of many is mostly luck
    assert 0 <= promises[1] < promises[0] / 3
