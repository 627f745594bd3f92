"""From a study to its answer: plan, train again, choose on validation, open the locked test part once.

Everything that trains or predicts runs in workers or forks: this process does not import torch.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
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
    answer_folder,
    read_answer,
    write_answer,
)
from search.selection.bootstrap import seed_noise
from search.selection.computing import choose, measure, of_shared
from search.selection.export import read_identity
from search.selection.initial_weights import initial_weights_of
from search.selection.opening import Tested, check_may_open, is_settled, measured_on, next_opening
from search.selection.options import AnswerOptions
from search.selection.predictor import Member, Predictor, read_predictor
from search.selection.reproduction import prepare_again
from search.selection.systems import AnswerPlan, Asked, System, estimated_seconds, make_plan
from search.selection.tasks import Choice, Choosing, Located, Measured, Measurement
from search.selection.trainings import TrainingResult, Trainings
from search.training.loop_entry import train_in_worker
from search.training.outcome import best_report
from search.tuning.best import BestConfig, installed_versions
from search.tuning.executors import run_trials
from search.tuning.folder import BEST_NAME, LOG_NAME, read_runs
from search.tuning.fork_server import ForkServer
from search.tuning.openings import read_openings, record_opening
from search.tuning.reading import StoredStudy, read_study
from search.tuning.resources import Resources, packed, plan_resources
from search.tuning.runner import Worker
from search.tuning.trial_folder import WEIGHTS_NAME
from spaces.config import TrialConfig

TRAININGS_FOLDER = "trainings"

Display = Callable[[Trainings, float | None], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class PlannedAnswer:
    """All that is known before the first training. `answer` is what was found before, None where nothing was.

    `settled` tells whether that is the answer to this plan; `seconds` estimates a training of each system.
    """

    options: AnswerOptions
    study: StoredStudy
    plan: AnswerPlan
    openings: tuple[Opening, ...]
    answer: Answer | None
    settled: bool
    resources: Resources
    seconds: Mapping[str, float]

    @property
    def folder(self) -> Path:
        """Where the answer is."""
        return answer_folder(self.study.folder)

    @property
    def trainings(self) -> Trainings:
        """All trainings as they stand."""
        return Trainings(self.plan.trainings, self.folder / TRAININGS_FOLDER)

    @property
    def data(self) -> Path | None:
        """Where the data is: as given, or where the study's last run found it; None for the demo set."""
        recorded = self._recorded("data")
        return self.options.data or (None if recorded is None else Path(recorded))

    @property
    def pretrained(self) -> str | None:
        """The file that networks start from, None where there is none."""
        recorded = self._recorded("pretrained")
        return self.options.pretrained or (recorded if self.study.spec.pretrained.startswith("sha256:") else None)

    def _recorded(self, key: str) -> Any:
        runs = read_runs(self.study.folder)
        return runs[-1].get(key) if runs else None


def plan_answer(options: AnswerOptions, folder: Path, server: ForkServer) -> PlannedAnswer:
    """Read the study in `folder`, and plan. Raises UserError, also where the test part may not be opened for this."""
    study = read_study(folder, options.storage)
    facts = study.spec.facts
    asked = Asked(seeds=options.seeds, ensemble=options.ensemble, tta=options.tta, calibrate=options.calibrate)
    plan = make_plan(study, facts, top=options.top_k, baselines=options.baselines, asked=asked)
    openings = tuple(Opening.model_validate(entry) for entry in read_openings(folder, options.storage))
    answer = read_answer(folder)
    settled = is_settled(plan, answer, reopen=options.reopen)
    if not settled:
        check_may_open(study.name, plan, openings, reopen=options.reopen)
    baselines = {system.name: system.config for system in plan.baselines}
    macs = server.call(count_macs, baselines, facts.height, facts.width) if len(baselines) > 1 else {}
    measured = study.spec.measured
    return PlannedAnswer(
        options=options,
        study=study,
        plan=plan,
        openings=openings,
        answer=answer,
        settled=settled,
        resources=resources_of(options, study),
        seconds=estimated_seconds(
            plan, study.records, macs, default=(measured.seconds_per_epoch, measured.default_macs)
        ),
    )


def count_macs(configs: Mapping[str, TrialConfig], height: int, width: int) -> dict[str, int]:
    """Multiply-adds of an image of each network. Imports torch."""
    from models.cost import measure_cost

    return {name: measure_cost(config.model, height, width).macs for name, config in configs.items()}


def resources_of(options: AnswerOptions, study: StoredStudy) -> Resources:
    """What this machine gives to the trainings: as many on a GPU as the study measured, unless asked otherwise."""
    resources = plan_resources(concurrency=options.trials_at_once, gpus_per_trial=options.gpu_share)
    packing = study.spec.measured.packing
    if packing is None or not resources.gpus or (options.trials_at_once, options.gpu_share) != (None, None):
        return resources
    return packed(resources, packing.trials_per_gpu)


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
    source = Trainings(planned.plan.trainings, planned.folder / TRAININGS_FOLDER, deadline=deadline)
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
    """Compare, on validation, what can be made of the trained networks; each is left in the answer's folder."""
    results = results_by_system(planned, planned.plan.candidates)
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


def results_by_system(planned: PlannedAnswer, systems: Sequence[System]) -> dict[str, list[TrainingResult]]:
    """What the trainings of each system left."""
    results: dict[str, list[TrainingResult]] = {system.name: [] for system in systems}
    for result in planned.trainings.results():
        if result.training.system in results:
            results[result.training.system].append(result)
    return results


def open_locked_part(
    planned: PlannedAnswer, prepared: PreparedData, choice: Choice, server: ForkServer
) -> tuple[LockedTest | None, tuple[Opening, ...]]:
    """Record that the test part is opened, then measure on it; None where the data has none."""
    if not has_locked_part(prepared):
        return None, planned.openings
    systems = tested_systems(planned, choice)
    openings = planned.openings
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
    chosen = [system for system in planned.plan.candidates if system.name == choice.system]
    for system in (*chosen, *planned.plan.baselines):
        results = [result for result in results_by_system(planned, [system])[system.name] if result.trained]
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
    results = results_by_system(planned, planned.plan.candidates)
    values = {name: [run.miou for run in runs if run.trained] for name, runs in results.items()}
    noise = seed_noise(list(values.values()))
    assert system.trial is not None
    assert system.search_value is not None
    answer = Answer(
        study=planned.study.name,
        trial=system.trial,
        search_value=system.search_value,
        retrained=tuple(values[system.name]),
        seed_noise=None if noise is None else noise.deviation,
        seed_noise_range=None if noise is None else (noise.low, noise.high),
        candidates=choice.candidates,
        chosen=choice.chosen,
        validation=choice.predictors[choice.chosen],
        openings=openings,
        test=test,
        class_names=planned.study.spec.facts.class_names,
        plan=planned.plan.fingerprint,
    )
    identity = read_identity(planned.study)
    write_whole(planned.folder / BEST_NAME, best_network(results[system.name], identity, system.trial).to_yaml())
    target = planned.folder / PREDICTOR_FOLDER
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(planned.folder / choice.chosen, target)
    write_answer(planned.study.folder, answer)
    return answer


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
