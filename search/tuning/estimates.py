"""What follows from the probe's measurements and the time budget: epochs, the cost limit, how many trials to expect."""

from dataclasses import dataclass

from search.tuning.probe import Probe
from search.tuning.resources import Resources
from search.tuning.spec import Measured

BUDGET_SHARE = 5
"""The default network finishes its epochs within a fifth of the time budget, ..."""

STRETCHED_SHARE = 3
"""... or within a third, as long as a fifth is less than `DEFAULT_EPOCHS`: after few epochs rungs tell little."""

ADMITTED_MACS = 3
"""How often the default's multiply-adds are admitted anyhow: 1.7 times its width. Pruning bounds their cost."""

EPOCH_CHOICES = (9, 12, 15, 18, 21, 24, 27, 36, 45, 54, 81)
DEFAULT_EPOCHS = 27
MEAN_SHARE = 0.4
"""Time of an average trial under pruning, as a share of a full one of the default point (docs/log.md)."""


def choose_epochs(seconds_per_epoch: float, time_budget: float | None) -> int:
    """The most epochs with which the default point ends within a fifth of the budget; 27 without a budget.

    Where a fifth gives fewer than 27, as many of these as a third gives, and at least 9.
    """
    if time_budget is None:
        return DEFAULT_EPOCHS
    fifth, third = (time_budget / share / seconds_per_epoch for share in (BUDGET_SHARE, STRETCHED_SHARE))
    affordable = max(fifth, min(third, DEFAULT_EPOCHS))
    return max((epochs for epochs in EPOCH_CHOICES if epochs <= affordable), default=EPOCH_CHOICES[0])


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user asked for; None: not asked."""

    max_params: int | None
    max_macs: int | None
    trials: int | None
    time_budget: float | None


def conclude(probe: Probe, asked: Asked, *, max_epochs: int, resources: Resources) -> Measured:
    """The study's measurements: the cost limit, the expected number of trials and the named points that fit."""
    default_macs = probe.costs.macs["default"]
    seconds = probe.speed.seconds_per_epoch
    measured_limit = None
    if asked.max_macs is None and asked.time_budget is not None:
        affordable = asked.time_budget / BUDGET_SHARE / (max_epochs * seconds)
        measured_limit = round(default_macs * max(ADMITTED_MACS, affordable))
    macs_limit = asked.max_macs if asked.max_macs is not None else measured_limit
    fitting = tuple(
        name
        for name, macs in probe.costs.macs.items()
        if (macs_limit is None or macs <= macs_limit)
        and (asked.max_params is None or probe.costs.parameters[name] <= asked.max_params)
    )
    return Measured(
        precision=probe.speed.precision,
        layout=probe.speed.layout,
        concurrency=resources.concurrency,
        packing=probe.packing,
        seconds_per_epoch=seconds,
        default_macs=default_macs,
        default_parameters=probe.costs.parameters["default"],
        max_macs=measured_limit,
        expected_trials=expect_trials(asked, seconds * max_epochs, resources.concurrency),
        fitting_points=fitting,
    )


def expect_trials(asked: Asked, seconds_per_trial: float, concurrency: int) -> int | None:
    """How many trials the limits allow, the time budget by estimate; None without any limit."""
    if asked.time_budget is None:
        return asked.trials
    by_time = max(1, int(asked.time_budget * concurrency / (MEAN_SHARE * seconds_per_trial)))
    return by_time if asked.trials is None else min(by_time, asked.trials)
