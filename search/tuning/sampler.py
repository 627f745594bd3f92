"""The sampler that proposes trials: Optuna's TPE, with draws that can be repeated."""

import warnings
import zlib
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial


class TrialSampler(BaseSampler):
    """TPE for one trial. Its draws depend on `seed`, the trial's `number` and the parameter's name alone.

    A trial's parameters are stored one by one. Were they drawn from one stream, a search killed in between would draw
    the rest of them anew.
    """

    def __init__(self, *, seed: int, number: int, startup_trials: int) -> None:
        self._entropy = (seed, number)
        self._startup_trials = startup_trials
        self._joint = self._tpe()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that are drawn together."""
        return self._joint.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw parameters together, once a trial; nothing before the startup trials have ended."""
        return self._joint.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw one parameter, from a stream of its own."""
        own = self._tpe(zlib.crc32(param_name.encode()))
        return own.sample_independent(study, trial, param_name, param_distribution)

    def _tpe(self, *key: int) -> TPESampler:
        draws = int(np.random.SeedSequence(self._entropy, spawn_key=key).generate_state(1)[0])
        with warnings.catch_warnings():
            # group=True is experimental in Optuna 5; without it conditional dimensions are sampled independently.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return TPESampler(
                n_startup_trials=self._startup_trials, multivariate=True, group=True, constant_liar=True, seed=draws
            )
