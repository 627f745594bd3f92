"""A trial as the study knows it: the only form in which trials are shown, compared and exported."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from statistics import median
from typing import Any, Self

from optuna.trial import FrozenTrial

from spaces.config import TrialConfig
from spaces.space import Params

CONFIG, POINT, REASON, CURVE = "config", "point", "reason", "curve"
RETRIES, SAMPLED_BY, PASSED_RUNG = "retries", "sampled_by", "passed_rung"
OVER_LIMIT = "over_limit"  # the constraint of trials that were refused; the kind of their TrialOutcome


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial, read at one moment.

    `values` maps an epoch (from 1) to its validation mIoU; `curve` holds the whole reports. `retries` counts the
    crashes after which it was started again, `passed_rung` the last rung at which it was told to go on (0: none). An
    infeasible trial is one told as a violated constraint; a refused one was over a limit, never trained, and is not
    counted as tried. `network_latency` is the latency of its network as all trials of that network tell it.
    """

    number: int
    state: str
    params: Params
    values: dict[int, float]
    curve: list[dict[str, Any]]
    config_data: dict[str, Any] | None
    point: str | None
    sampled_by: str
    reason: str
    retries: int
    passed_rung: int
    feasible: bool
    refused: bool
    started: datetime | None
    network_latency: float | None = None

    @classmethod
    def read(cls, trial: FrozenTrial, *, several: bool = False) -> Self:
        """The record of an Optuna trial. With `several` objectives Optuna keeps no value an epoch, the curve does."""
        attributes = trial.user_attrs
        curve = attributes.get(CURVE, [])
        return cls(
            number=trial.number,
            state=trial.state.name,
            params=trial.params,
            values={report["epoch"]: report["miou"] for report in curve} if several else trial.intermediate_values,
            curve=curve,
            config_data=attributes.get(CONFIG),
            point=attributes.get(POINT),
            sampled_by=attributes.get(SAMPLED_BY, ""),
            reason=attributes.get(REASON, ""),
            retries=attributes.get(RETRIES, 0),
            passed_rung=attributes.get(PASSED_RUNG, 0),
            feasible=all(value <= 0 for value in trial.constraints.values()),
            refused=trial.constraints.get(OVER_LIMIT, 0.0) > 0,
            started=trial.datetime_start,
        )

    @cached_property
    def config(self) -> TrialConfig:
        """The whole configuration."""
        return TrialConfig.model_validate(self.config_data)

    @property
    def epochs(self) -> int:
        """How many epochs were reported."""
        return max(self.values, default=0)

    @property
    def seconds(self) -> float:
        """Training and validation time of the reported epochs."""
        return sum(report["seconds"] for report in self.curve)

    @property
    def ending(self) -> str:
        """complete, pruned, refused (over a limit, never trained), or failed: crashed, out of memory, not finite."""
        if self.refused:
            return "refused"
        return "failed" if self.state == "FAIL" or not self.feasible else self.state.lower()

    @property
    def best_value(self) -> float | None:
        """The best validation mIoU of any epoch, None before the first."""
        return max(self.values.values(), default=None)

    @property
    def best_epoch(self) -> int:
        """The first epoch that has the best value, 0 before the first."""
        return max(self.values, key=lambda epoch: (self.values[epoch], -epoch), default=0)

    @property
    def pretrained(self) -> float | None:
        """The share of the network's parameters that started from given weights, None where none were given."""
        return self.curve[0].get("pretrained") if self.curve else None

    @property
    def costs(self) -> dict[str, float]:
        """What an image costs, by objective: latency in milliseconds, macs, parameters. Empty where it is not known."""
        costs = (self.curve[0].get("costs") if self.curve else None) or {}
        latency = {} if self.network_latency is None else {"latency": self.network_latency}
        return {name: value for name, value in costs.items() if value is not None} | latency

    @property
    def threads(self) -> int | None:
        """The CPU threads that all epochs up to the best one were trained with, None where they differ."""
        counts = {report["threads"] for report in self.curve[: self.best_epoch]}
        return counts.pop() if len(counts) == 1 else None

    def value_at(self, epoch: int) -> float | None:
        """The best value up to `epoch`, None where the trial has not been there.

        A trial that trained to its end or stopped early stands with its best value at every later rung.
        """
        if self.epochs < epoch and self.state != "COMPLETE":
            return None
        return max((value for step, value in self.values.items() if step <= epoch), default=None)


def all_records(trials: Sequence[FrozenTrial], *, several: bool) -> list[TrialRecord]:
    """The records of all trials of a study. With `several` objectives, trials of one network share its latency.

    It is the median of what they measured: they measured the same thing, beside other work.
    """
    records = [TrialRecord.read(trial, several=several) for trial in trials]
    if not several:
        return records
    measured: dict[str, list[float]] = {}
    for record in records:
        if "latency" in record.costs:
            measured.setdefault(_network(record), []).append(record.costs["latency"])
    return [
        replace(record, network_latency=median(measured[_network(record)])) if "latency" in record.costs else record
        for record in records
    ]


def _network(record: TrialRecord) -> str:
    """Equal for trials of the same network."""
    assert record.config_data is not None, f"trial {record.number} has trained without a configuration"
    return json.dumps(record.config_data["model"], sort_keys=True)


def best_of(records: list[TrialRecord]) -> TrialRecord | None:
    """The first of the `ranked`, None where no trial has a value."""
    return next(iter(ranked(records)), None)


def ranked(records: list[TrialRecord]) -> list[TrialRecord]:
    """The trials with a value, best first; of equal ones the earlier. Crashed and infeasible trials are left out."""
    scored = [record for record in records if record.values and record.feasible and record.state != "FAIL"]
    return sorted(scored, key=lambda record: (-(record.best_value or 0.0), record.number))
