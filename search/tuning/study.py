"""The one place that holds the Optuna study: the single source of truth about every trial.

Trials are asked for, report one value an epoch, and are told how they ended. Trials are named by their number. Another
process may read the study at any time.

With several objectives Optuna takes no value an epoch, and none of a pruned trial: the reports alone have them.
"""

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from search.training.outcome import EpochReport
from search.tuning.front import front_of, point_at
from search.tuning.objectives import MIOU_ALONE, Objectives, costs_of
from search.tuning.pareto import Point
from search.tuning.record import (
    CONFIG,
    CURVE,
    PASSED_RUNG,
    POINT,
    REASON,
    RETRIES,
    SAMPLED_BY,
    TrialRecord,
    all_records,
)
from search.tuning.sampler import TrialSampler
from spaces.config import TrialConfig
from spaces.domains import Choice, Domain, Float, Scalar
from spaces.neighbours import neighbour
from spaces.space import SearchSpace

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)

LOCAL_SHARE = 0.5
"""Share of the proposals after the start-up that are neighbours of a best trial; TPE makes the others."""


class TrialStudy:
    """An Optuna study that maximizes validation mIoU over a search space, and minimizes the other `objectives`."""

    def __init__(
        self, study: optuna.Study, storage: optuna.storages.BaseStorage, objectives: Objectives = MIOU_ALONE
    ) -> None:
        self._study = study
        self._objectives = objectives
        self._several = len(objectives) > 1
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._live: dict[int, optuna.Trial] = {}

    # --- reading -----------------------------------------------------------------------------------------------------

    def records(self) -> list[TrialRecord]:
        """Every trial, by number."""
        return all_records(self._trials(), several=self._several)

    def record(self, number: int) -> TrialRecord:
        """One trial."""
        return self.records()[number] if self._several else TrialRecord.read(self._trials()[number])

    def count(self) -> int:
        """How many trials were ever asked for."""
        return len(self._trials())

    def waiting(self) -> list[int]:
        """The trials that wait to be continued; the first is asked for next."""
        return [trial.number for trial in self._trials(TrialState.WAITING)]

    def values_at(self, epoch: int, *, but: int) -> list[float]:
        """The values that the other trials had when they passed `epoch`."""
        values = (record.value_at(epoch) for record in self.records() if record.number != but)
        return [value for value in values if value is not None]

    def points_at(self, epoch: int, *, but: int) -> list[Point]:
        """Where the other trials stood between the objectives when they passed `epoch`."""
        points = (point_at(record, epoch, self._objectives) for record in self.records() if record.number != but)
        return [point for point in points if point is not None]

    @property
    def identity(self) -> str | None:
        """The hash that `set_identity` stored, None for a new study."""
        return self._study.user_attrs.get("identity")

    def set_identity(self, identity: str) -> None:
        """Store the hash of the study's identity beside its trials, for storages that several folders may name."""
        self._study.set_user_attr("identity", identity)

    # --- asking ------------------------------------------------------------------------------------------------------

    def ask(
        self, space: SearchSpace, *, seed: int, startup_trials: int, point: tuple[str, TrialConfig] | None
    ) -> TrialRecord:
        """The next trial, now RUNNING: one that waits, else the named `point`, else a new proposal.

        The first `startup_trials` proposals are neighbours of the best trial so far, or of one drawn from the front
        where there are several objectives; named points and refused ones are not counted. Then TPE takes turns with
        them at random (decision 0009). All draws depend on `seed`, the trial's number and what the study holds, not on
        what this process did before.
        """
        waiting = self.waiting()
        number = waiting[0] if waiting else self.count()
        finished = all_records(self._trials(*FINISHED), several=self._several)
        startup = startup_trials + sum(_is_no_startup(record) for record in finished)
        if not waiting and point is not None:
            name, config = point
            self._study.enqueue_trial(space.encode(config), user_attrs={POINT: name, SAMPLED_BY: "named point"})
        elif not waiting:
            generator = np.random.default_rng(np.random.SeedSequence((seed, number)))
            if len(finished) < startup or generator.random() < LOCAL_SHARE:
                self._enqueue_neighbour(space, generator)
        self._study.sampler = TrialSampler(seed=seed, number=number, startup_trials=startup)
        trial = self._study.ask()
        space.sample(lambda name, domain: suggest(trial, name, domain))
        if SAMPLED_BY not in trial.user_attrs:
            trial.set_user_attr(SAMPLED_BY, "tpe")
        self._live[trial.number] = trial
        return self.record(trial.number)

    def _enqueue_neighbour(self, space: SearchSpace, generator: np.random.Generator) -> None:
        """Put a neighbour of the best trial so far before what TPE draws; of the default where nothing has a value."""
        records = self.records()
        front = front_of(records, self._objectives)
        best = front[int(generator.integers(len(front))) if len(front) > 1 else 0] if front else None
        params = neighbour(space, best.params if best else {}, generator, taken=[record.params for record in records])
        origin = "near the best" if best else "near the default"
        self._study.enqueue_trial(params, user_attrs={SAMPLED_BY: origin})

    def set_config(self, number: int, config: TrialConfig) -> None:
        """Record the whole configuration beside the parameters."""
        self._live[number].set_user_attr(CONFIG, config.model_dump(mode="json"))

    # --- telling -----------------------------------------------------------------------------------------------------

    def report(self, number: int, report: EpochReport) -> None:
        """Record one epoch. An epoch that is already there is not counted twice."""
        record = self.record(number)
        if report.epoch in record.values:
            return
        # A process killed between these two writes leaves a curve that is one report ahead of the values.
        curve = [*record.curve[: len(record.values)], report.model_dump(mode="json")]
        self._live[number].set_user_attr(CURVE, curve)
        if not self._several:
            self._live[number].report(report.miou, report.epoch)

    def pass_rung(self, number: int, rung: int) -> None:
        """Record that the trial goes on beyond a rung: a decision is made once, whatever other trials reach later."""
        self._live[number].set_user_attr(PASSED_RUNG, rung)

    def tell_complete(self, number: int, reason: str) -> None:
        """The trial trained to its end or stopped early; its value is its best, and its costs stand beside it."""
        record = self.record(number)
        assert record.best_value is not None, f"trial {number} ended without a single epoch"
        values = [record.best_value, *(record.costs[cost] for cost in costs_of(self._objectives))]
        self._tell(number, TrialState.COMPLETE, reason, values)

    def tell_pruned(self, number: int, reason: str) -> None:
        """The trial was stopped at a rung."""
        self._tell(number, TrialState.PRUNED, reason)

    def tell_violation(self, number: int, constraint: str, amount: float, reason: str) -> None:
        """The configuration cannot be trained here: PRUNED with a violated constraint; the sampler learns from it."""
        if constraint not in self._live[number].constraints:
            self._live[number].set_constraint(constraint, amount)
        self._tell(number, TrialState.PRUNED, reason)

    def tell_failed(self, number: int, reason: str) -> None:
        """The trial crashed for good."""
        self._tell(number, TrialState.FAIL, reason)

    def release(self, number: int, *, crashed: bool = False) -> None:
        """Set a RUNNING trial back to WAITING: it keeps its number, parameters and values, and is asked for first."""
        trial = self._live.pop(number, None)
        if crashed and trial is not None:
            trial.set_user_attr(RETRIES, trial.user_attrs.get(RETRIES, 0) + 1)
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        self._storage.set_trial_state_values(trial_id, state=TrialState.WAITING)

    def release_all(self) -> list[int]:
        """Set back every trial that is RUNNING, also those that a killed search left so; their numbers."""
        running = [trial.number for trial in self._trials(TrialState.RUNNING)]
        for number in running:
            self.release(number)
        return running

    def _tell(self, number: int, state: TrialState, reason: str, values: list[float] | None = None) -> None:
        trial = self._live.pop(number)
        trial.set_user_attr(REASON, reason)
        self._study.tell(trial, values, state)

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states or None)


def _is_no_startup(record: TrialRecord) -> bool:
    return record.point is not None or not record.values


def suggest(trial: optuna.Trial, name: str, domain: Domain) -> Scalar:
    """Ask Optuna for one parameter."""
    if isinstance(domain, Choice):
        return trial.suggest_categorical(name, domain.labels)
    if isinstance(domain, Float):
        return trial.suggest_float(name, domain.low, domain.high, log=domain.log)
    return trial.suggest_int(name, domain.low, domain.high, log=domain.log, step=domain.step)
