"""Which parameters the validation mIoU depended on: functional ANOVA of a random forest (Hutter et al. 2014, ICML).

Optuna's evaluator considers only the parameters that all trials have, and only trials that trained to their end. Spaces
here are trees, and most trials are pruned. So the trials are rewritten first, by `completed`: each has every parameter,
and its best value.
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import create_trial

from search.tuning.parameters import Parameter
from search.tuning.record import TrialRecord, ranked
from spaces.domains import Scalar
from spaces.schema import Config

FEWEST_TRIALS = 10
"""Below this number of trials with a value a forest of them tells nothing."""

FEWEST_HAVING = 5
"""A parameter that fewer trials have is left out: it would be a name for those trials."""

FORESTS, TREES = 5, 32
"""How many forests are grown, from different seeds, and the trees in each."""


class Importance(Config):
    """The share (0 to 1) of the differences in mIoU that a parameter alone accounts for.

    `mean` and `spread` (standard deviation) are over forests from different seeds. `trials` counts those that have it.
    """

    name: str
    mean: float
    spread: float
    trials: int


def importances(
    records: Sequence[TrialRecord], parameters: Mapping[str, Parameter], *, forests: int = FORESTS
) -> tuple[Importance, ...]:
    """The importance of every parameter that varied and that `FEWEST_HAVING` trials have, the largest first.

    Empty where fewer than `FEWEST_TRIALS` trials have a value, where all have the same, and where nothing varied.
    """
    trials = ranked(list(records))
    values = [trial.best_value or 0.0 for trial in trials]
    if len(trials) < FEWEST_TRIALS or max(values) - min(values) < 1e-9:
        return ()
    columns = completed(trials, parameters)
    if not columns:
        return ()
    study = _study(columns, parameters, values)
    evaluated = [
        FanovaImportanceEvaluator(n_trees=TREES, seed=seed).evaluate(study, params=list(columns))
        for seed in range(forests)
    ]
    found = [
        Importance(
            name=name,
            mean=statistics.fmean(shares[name] for shares in evaluated),
            spread=statistics.pstdev(shares[name] for shares in evaluated),
            trials=sum(name in trial.params for trial in trials),
        )
        for name in columns
    ]
    return tuple(sorted(found, key=lambda entry: (-entry.mean, entry.name)))


def completed(trials: Sequence[TrialRecord], parameters: Mapping[str, Parameter]) -> dict[str, list[float]]:
    """Where each trial stands (a position in a range, or the index of an option), by parameter that counts.

    A trial without the parameter stands at the median of the others, or has their most frequent option: no difference
    is blamed on what a trial does not have. (Hutter et al. take the default; a study does not know it.)
    """
    columns = {}
    for name, parameter in parameters.items():
        found = [_place(parameter, trial.params[name]) for trial in trials if name in trial.params]
        if len(found) < FEWEST_HAVING or len(set(found)) < 2:
            continue
        missing = statistics.median(found) if parameter.numeric else _most_frequent(found)
        columns[name] = [_place(parameter, trial.params[name]) if name in trial.params else missing for trial in trials]
    return columns


def _place(parameter: Parameter, value: Scalar) -> float:
    return parameter.position(value) if parameter.numeric else parameter.options.index(value)


def _most_frequent(found: Sequence[float]) -> float:
    counts = Counter(found)
    return min(counts, key=lambda place: (-counts[place], place))


def _study(
    columns: Mapping[str, list[float]], parameters: Mapping[str, Parameter], values: Sequence[float]
) -> optuna.Study:
    """A study in memory of these trials, all complete."""
    distributions: dict[str, BaseDistribution] = {
        name: FloatDistribution(0.0, 1.0)
        if parameters[name].numeric
        else CategoricalDistribution(range(len(parameters[name].options)))
        for name in columns
    }
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage(), direction="maximize")
    study.add_trials(
        create_trial(
            params={name: column[index] for name, column in columns.items()},
            distributions=distributions,
            value=value,
        )
        for index, value in enumerate(values)
    )
    return study
