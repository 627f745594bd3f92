"""A search as Ray Tune's documentation shows it, around the ordinary loop: OptunaSearch and ASHAScheduler.

Same space, data, split, epochs and rungs as a study of ours, and the same networks refused for their cost: a trial of
one ends at once. `search_speed.py` starts it as a process of its own:

    python -m benchmarks.stock_search --study STUDY --time-budget 20m --folder FOLDER

writes FOLDER/trials.json.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
import tyro

from benchmarks.ordinary_loop import OrdinaryLoop, Tuning
from search.data.prepare import prepare_data
from search.data.samples import TrialData
from search.tuning.limits import CostLimits
from search.tuning.options import parse_duration
from search.tuning.reading import read_study
from search.tuning.resources import plan_resources
from search.tuning.study import suggest
from spaces.config import BudgetConfig
from spaces.presets import build_space
from spaces.space import SearchSpace

METRIC = "miou"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Search as a study of ours did."""

    study: Path
    """The folder of our study."""

    folder: Path
    """Where Ray Tune may write, and where the result goes."""

    time_budget: str
    """Time of the search."""

    data: Path | None = None
    """The data of that study. Default: the demo set."""


@dataclass(frozen=True, kw_only=True)
class StockPlan:
    """What both searches share: seconds, epochs, rungs, the reduction factor, cost limits, trials at once, threads."""

    seconds: float
    max_epochs: int
    rungs: tuple[int, ...]
    reduction_factor: int
    limits: CostLimits
    at_once: int
    threads: int
    gpus_per_trial: float
    seed: int


def main() -> None:
    """Search, and write down each trial."""
    options = tyro.cli(Options)
    spec = read_study(options.study).spec
    resources = plan_resources(concurrency=None, gpus_per_trial=None)
    plan = StockPlan(
        seconds=parse_duration(options.time_budget),
        max_epochs=spec.max_epochs,
        rungs=spec.rungs,
        reduction_factor=spec.reduction_factor,
        limits=CostLimits(
            max_params=spec.max_params,
            max_macs=spec.macs_limit,
            height=spec.facts.height,
            width=spec.facts.width,
            initial_weights=None,
        ),
        at_once=resources.concurrency,
        threads=resources.threads,
        gpus_per_trial=resources.gpus_per_trial,
        seed=spec.seed,
    )
    prepared = prepare_data(options.data, seed=spec.seed)
    trials = run_stock(build_space(spec.space, prepared.facts), prepared.trial, plan, options.folder)
    (options.folder / "trials.json").write_text(json.dumps(trials))


@dataclass(frozen=True)
class Define:
    """The space as OptunaSearch takes it: a function of an Optuna trial, and one that can be pickled."""

    space: SearchSpace

    def __call__(self, trial: optuna.Trial) -> None:
        """Suggest all parameters."""
        self.space.sample(lambda name, domain: suggest(trial, name, domain))


def run_stock(space: SearchSpace, data: TrialData, plan: StockPlan, folder: Path) -> list[dict[str, Any]]:
    """Search until the time is over; of each trial that reported its epochs, its best mIoU, whether it ended.

    A trial that the time cut off is told from one that was stopped by its last epoch, which is no rung.
    """
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    def trainable(params: dict[str, Any], shared: TrialData) -> None:
        for value in training(space, params, shared, plan):
            tune.report({METRIC: value})

    searcher = OptunaSearch(space=Define(space), metric=METRIC, mode="max", seed=plan.seed)
    scheduler = ASHAScheduler(max_t=plan.max_epochs, grace_period=plan.rungs[0], reduction_factor=plan.reduction_factor)
    resources = {"cpu": plan.threads, "gpu": plan.gpus_per_trial}
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, shared=data), resources),
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="max",
            search_alg=ConcurrencyLimiter(searcher, max_concurrent=plan.at_once),
            scheduler=scheduler,
            num_samples=-1,
            time_budget_s=plan.seconds,
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    )
    tables = [result.metrics_dataframe for result in tuner.fit()]
    ends = {*plan.rungs, plan.max_epochs}
    return [
        {"epochs": len(table), "best": max(table[METRIC].tolist()), "ended": len(table) in ends}
        for table in tables
        if table is not None and METRIC in table
    ]


def training(space: SearchSpace, params: dict[str, Any], data: TrialData, plan: StockPlan) -> Iterator[float]:
    """The mean IoU of each epoch of one trial. What the space cannot decode ends it, as an error of the trial."""
    os.environ.setdefault("OMP_NUM_THREADS", str(plan.threads))
    torch.set_num_threads(plan.threads)
    budget = BudgetConfig(max_epochs=plan.max_epochs)
    config = space.decode(params, budget=budget, seed=plan.seed)
    if plan.limits.refuse(config) is not None:
        return
    batch = min(config.optimizer.batch_size, len(data.train))
    loop = OrdinaryLoop(config, data, Tuning(workers=0, batch_size=batch))
    for _ in range(plan.max_epochs):
        loop.train_epoch()
        yield loop.validate()


if __name__ == "__main__":
    main()
