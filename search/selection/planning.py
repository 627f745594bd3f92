"""What an answer will do, before anything is trained: systems, trainings, machine, time. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.selection.answer import Answer, Opening, answer_folder
from search.selection.opening import check_may_open, given_answer, is_settled, openings_of
from search.selection.options import AnswerOptions
from search.selection.systems import AnswerPlan, Asked, System, estimated_seconds, make_plan
from search.selection.trainings import TrainingResult, Trainings
from search.tuning.folder import read_runs
from search.tuning.fork_server import ForkServer
from search.tuning.reading import StoredStudy, read_study
from search.tuning.resources import Resources, packed, plan_resources
from spaces.config import TrialConfig

TRAININGS_FOLDER = "trainings"


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
    def given(self) -> Answer | None:
        """The answer to this plan, None where it has not been given."""
        return self.answer if self.settled else None

    @property
    def trainings(self) -> Trainings:
        """All trainings as they stand."""
        return Trainings(self.plan.trainings, self.folder / TRAININGS_FOLDER)

    def source(self, deadline: float | None) -> Trainings:
        """The trainings that are to be run, until `deadline` of time.monotonic()."""
        return Trainings(self.plan.trainings, self.folder / TRAININGS_FOLDER, deadline=deadline, retry_failed=True)

    def results(self, systems: Sequence[System]) -> dict[str, list[TrainingResult]]:
        """What the trainings of each system left, by its name."""
        results = self.trainings.results()
        trained_as = {system.name: self.plan.trained_as(system).name for system in systems}
        return {
            name: [result for result in results if result.training.system == other]
            for name, other in trained_as.items()
        }

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
    openings = openings_of(folder, options.storage)
    answer = given_answer(folder, options.storage)
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
