"""From a study to its answer: plan, train again, choose on validation, open the locked test part once.

Everything that trains or predicts runs in workers or forks: this process does not import torch.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from statistics import fmean
from typing import Any

from search.data.locked_part import has_locked_part, read_locked_part
from search.data.prepare import PreparedData
from search.data.samples import TrialData
from search.files import write_whole
from search.selection.answer import (
    PREDICTOR_FOLDER,
    Answer,
    LockedTest,
    Opening,
    SearchBest,
    set_aside_answer,
    write_answer,
)
from search.selection.bootstrap import seed_noise
from search.selection.computing import choose, measure, of_shared
from search.selection.export import read_identity
from search.selection.initial_weights import initial_weights_of
from search.selection.opening import (
    Tested,
    check_may_open,
    measured_on,
    next_opening,
    openings_of,
)
from search.selection.planning import PlannedAnswer
from search.selection.predictor import Member, Predictor, read_predictor
from search.selection.reproduction import prepare_again
from search.selection.systems import System
from search.selection.tasks import Choice, Choosing, Located, Measured, Measurement
from search.selection.trainings import TrainingResult, Trainings
from search.training.loop_entry import train_in_worker
from search.training.outcome import best_report
from search.tuning.best import BestConfig, installed_versions
from search.tuning.executors import run_trials
from search.tuning.folder import BEST_NAME, LOG_NAME
from search.tuning.fork_server import ForkServer
from search.tuning.openings import record_opening, record_seen
from search.tuning.runner import Worker
from search.tuning.trial_folder import WEIGHTS_NAME
from spaces.config import TrialConfig

Display = Callable[[Trainings, float | None], AbstractContextManager[None]]


def prepare(planned: PlannedAnswer, server: ForkServer) -> PreparedData:
    """The data of the study, prepared as it was, and the weights that its networks start from. Raises UserError."""
    identity = read_identity(planned.study).data
    configs = [training.config for training in planned.plan.trainings]
    unlabelled = any(config.augment.pseudo_labels is not None for config in configs)
    prepared = prepare_again(identity, planned.data, unlabelled=unlabelled)
    return prepared.starting_from(initial_weights_of(configs, planned.pretrained, server))


def train(planned: PlannedAnswer, prepared: PreparedData, display: Display, server: ForkServer) -> bool:
    """Train what has not been trained; whether the user interrupted."""
    budget = planned.options.seconds
    deadline = None if budget is None else time.monotonic() + budget
    source = planned.source(deadline)
    if not source.wants_more():
        return False
    with display(source, deadline):
        return run_trainings(planned, source, prepared.trial, threads=planned.resources.threads, server=server)


def run_trainings(
    planned: PlannedAnswer, source: Trainings, data: TrialData, *, threads: int, server: ForkServer
) -> bool:
    """Run a source's trainings as the options say; whether the user interrupted."""
    return run_trials(
        source,
        Worker(data=data, trainer=train_in_worker, check=admit, threads=threads),
        executor=planned.options.executor,
        resources=planned.resources,
        log=planned.study.folder / LOG_NAME,
        server=server,
    )


def admit(config: TrialConfig) -> str | None:
    """Refuse nothing: what an answer trains has been chosen."""


def choose_predictor(planned: PlannedAnswer, prepared: PreparedData, server: ForkServer) -> Choice:
    """Compare, on validation, what can be made of the trained networks; each is left in the answer's folder.

    An answer that was given before is set aside.
    """
    set_aside_answer(planned.study.folder)
    results = planned.results(planned.plan.candidates)
    task = Choosing(
        data=prepared.trial,
        asked=planned.plan.asked,
        results=results,
        folder=planned.folder,
        threads=planned.resources.cores,
    )
    return computed(planned, server, choose, task)


def computed(planned: PlannedAnswer, server: ForkServer, function: Callable[[Any], Any], task: Any) -> Any:
    """What `function` makes of `task`, in a fork; in this process with the local executor."""
    if planned.options.executor == "local":
        return function(task)
    return server.call(of_shared, function, server.share(task))


def open_locked_part(
    planned: PlannedAnswer, prepared: PreparedData, choice: Choice, server: ForkServer
) -> tuple[LockedTest | None, tuple[Opening, ...]]:
    """Record that the test part is opened, then measure on it; None where the data has none."""
    if not has_locked_part(prepared):
        return None, planned.openings
    systems = tested_systems(planned, choice)
    openings = openings_of(planned.study.folder, planned.options.storage)  # hours have passed since the plan
    check_may_open(planned.study.name, planned.plan, openings, reopen=planned.options.reopen)
    opening = next_opening(planned.plan, openings, len(systems), reopen=planned.options.reopen)
    if opening is not None:
        record_opening(planned.study.folder, opening.model_dump(mode="json"), planned.options.storage)
        openings = (*openings, opening)
    part = read_locked_part(planned.data, prepared)

    def measured(measurement: Measurement) -> dict[str, list[Measured]]:
        return computed(planned, server, measure, measurement)

    return measured_on(part, prepared.trial, systems, measured, planned.resources.cores), openings


def tested_systems(planned: PlannedAnswer, choice: Choice) -> list[Tested]:
    """What is measured: the chosen predictor, the other ones, the mean over seeds of its configuration, baselines."""
    kinds = sorted(choice.predictors, key=lambda kind: kind != choice.chosen)
    tested = []
    for kind in kinds:
        predictor = read_predictor(planned.folder / kind)
        tested.append(
            Tested(
                name=kind,
                words=predictor.words,
                networks=(Located(predictor, planned.folder / kind),),
                validation=choice.predictors[kind],
            )
        )
    plan = planned.plan
    twins = {plan.trained_as(system).name for system in plan.baselines}
    chosen = [system for system in plan.candidates if system.name == choice.system and system.name not in twins]
    for system in (*chosen, *plan.baselines):
        results = [result for result in planned.results([system])[system.name] if result.trained]
        if results:
            tested.append(
                Tested(
                    name=system.name,
                    words=system.words,
                    networks=tuple(located(result) for result in results),
                    validation=fmean(result.miou for result in results),
                )
            )
    return tested


def located(result: TrainingResult) -> Located:
    """A trained network as a predictor, plainly decoded."""
    training = result.training
    member = Member(config=training.config, weights=WEIGHTS_NAME, origin=training.words)
    return Located(Predictor(members=(member,)), result.folder)


def give_answer(
    planned: PlannedAnswer, choice: Choice, test: LockedTest | None, openings: tuple[Opening, ...]
) -> Answer:
    """Write the answer, and the chosen predictor to the folder from which it is exported."""
    system = next(system for system in planned.plan.candidates if system.name == choice.system)
    results = planned.results(planned.plan.candidates)
    values = {name: [run.miou for run in runs if run.trained] for name, runs in results.items()}
    noise = seed_noise(list(values.values()))
    assert system.trial is not None
    answer = Answer(
        study=planned.study.name,
        trial=system.trial,
        retrained=tuple(values[system.name]),
        search_best=search_best(planned.plan.candidates[0], values),
        seed_noise=None if noise is None else noise.deviation,
        seed_noise_range=None if noise is None else (noise.low, noise.high),
        candidates=choice.candidates,
        chosen=choice.chosen,
        validation=choice.predictors[choice.chosen],
        openings=openings,
        test=test,
        class_names=planned.study.spec.facts.class_names,
        failed=tuple(result.failure for result in planned.trainings.results() if result.failure is not None),
        plan=planned.plan.fingerprint,
    )
    identity = read_identity(planned.study)
    write_whole(planned.folder / BEST_NAME, best_network(results[system.name], identity, system.trial).to_yaml())
    target = planned.folder / PREDICTOR_FOLDER
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(planned.folder / choice.chosen, target)
    write_answer(planned.study.folder, answer)
    if test is not None:
        seen = {"miou": test.systems[0].miou.value}
        record_seen(planned.study.folder, seen, planned.options.storage)
    return answer


def search_best(first: System, values: Mapping[str, Sequence[float]]) -> SearchBest | None:
    """What became of the search's best trial; None where no training of it came to its end."""
    assert first.trial is not None
    assert first.search_value is not None
    retrained = tuple(values[first.name])
    return SearchBest(trial=first.trial, value=first.search_value, retrained=retrained) if retrained else None


def best_network(results: Sequence[TrainingResult], identity: BestConfig, trial: int) -> BestConfig:
    """The `best.yaml` of the best network of the chosen configuration: `search.train` gives the same one again."""
    best = max((result for result in results if result.trained), key=lambda result: result.miou)
    report = best_report(best.reports)
    threads = {epoch.threads for epoch in best.reports[: report.epoch]}
    return identity.model_copy(
        update={
            "trial": trial,
            "miou": report.miou,
            "epoch": report.epoch,
            "config": best.training.config,
            "versions": installed_versions(),
            "threads": threads.pop() if len(threads) == 1 else None,
        }
    )
