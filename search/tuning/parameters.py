"""The parameters of a study as its trials were asked for them: from which options, or from which range."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from search.tuning.reading import find_stored
from spaces.domains import Scalar


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter: `options`, or where there are none the numbers from `low` to `high`, on a `log` scale or not."""

    name: str
    options: tuple[Scalar, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    whole: bool = False

    @property
    def numeric(self) -> bool:
        """Whether it is drawn from a range."""
        return not self.options

    def position(self, value: Scalar) -> float:
        """Where a value lies, from 0 (the lowest, the first option) to 1. Raises ValueError for an unknown option."""
        if self.options:
            return self.options.index(value) / max(1, len(self.options) - 1)
        assert isinstance(value, int | float)
        low, high, at = (math.log(self.low), math.log(self.high), math.log(value)) if self.log else (
            self.low, self.high, float(value)
        )  # fmt: skip
        return (at - low) / (high - low) if high > low else 0.0

    def value(self, position: float) -> float:
        """The number at a position of a range: the inverse of `position`."""
        assert self.numeric
        if self.log:
            return math.exp(math.log(self.low) + position * (math.log(self.high) - math.log(self.low)))
        return self.low + position * (self.high - self.low)


def read_parameters(folder: Path, storage: str | None = None) -> dict[str, Parameter]:
    """The parameters that any trial of the study in `folder` has, by name. Read after the records, it holds all theirs.

    Raises StudyError as `read_study` does.
    """
    found = find_stored(folder, storage)
    if found is None:
        return {}
    study = optuna.load_study(study_name=found.name, storage=found.storage)
    return parameters_of(trial.distributions for trial in study.get_trials(deepcopy=False))


def parameters_of(trials: Iterable[dict[str, BaseDistribution]]) -> dict[str, Parameter]:
    """The parameters in the distributions of trials, sorted by name. A range that differs is joined."""
    found: dict[str, Parameter] = {}
    for distributions in trials:
        for name, distribution in distributions.items():
            parameter = _parameter(name, distribution)
            known = found.get(name)
            if known is not None and parameter.numeric:
                parameter = replace(parameter, low=min(known.low, parameter.low), high=max(known.high, parameter.high))
            found[name] = parameter
    return dict(sorted(found.items()))


def _parameter(name: str, distribution: BaseDistribution) -> Parameter:
    match distribution:
        case CategoricalDistribution(choices=choices):
            return Parameter(name=name, options=tuple(choices))
        case FloatDistribution(low=low, high=high, log=log):
            return Parameter(name=name, low=low, high=high, log=log)
        case IntDistribution(low=low, high=high, log=log):
            return Parameter(name=name, low=low, high=high, log=log, whole=True)
        case _:
            raise TypeError(f"{name} has the unknown distribution {distribution!r}")
