"""The chosen configuration trained once more on all labelled data, for use. Its number is the one measured before."""

from pathlib import Path
from statistics import median

from search.data.locked_part import read_all_parts
from search.data.prepare import PreparedData
from search.errors import StudyError
from search.files import make_folder, write_whole
from search.selection.answer import REFITTED_FOLDER, Answer, write_answer
from search.selection.answering import Display, computed, run_trainings
from search.selection.computing import extract_weights
from search.selection.planning import PlannedAnswer
from search.selection.predictor import PREDICTOR_NAME, Member, Predictor
from search.selection.systems import System
from search.selection.tasks import NETWORK, LastWeights
from search.selection.trainings import Training, Trainings
from search.training.outcome import best_report
from search.tuning.fork_server import ForkServer
from search.tuning.trial_folder import CHECKPOINT_NAME, WEIGHTS_NAME
from spaces.config import BudgetConfig

REFIT = "refit"


def refit(
    planned: PlannedAnswer, prepared: PreparedData, answer: Answer, display: Display, server: ForkServer
) -> Answer | None:
    """Train on everything, for as many epochs as were best before; None where it was cut off.

    `answer/refitted/` then holds the network, decoded as the answer's single one. Raises StudyError where it fails.
    """
    system = next(system for system in planned.plan.candidates if system.trial == answer.trial)
    source = Trainings(
        [refit_training(system, planned.plan.first_seed)],
        planned.folder,
        stop_after=epochs_of(planned, system),
        retry_failed=True,
    )
    if source.wants_more():
        data = read_all_parts(planned.data, prepared)
        with display(source, None):
            run_trainings(planned, source, data, threads=planned.resources.cores, server=server)
    (result,) = source.results()
    if result.failure is not None:
        raise StudyError(
            f"the training on all labelled data failed: {result.failure}. The answer stands; the same command tries it "
            "again, if it was for memory or a crash"
        )
    if not result.trained:
        return None
    put_refitted(planned, result.training, result.folder, server)
    refitted = answer.model_copy(update={"refitted": True})
    write_answer(planned.study.folder, refitted)
    return refitted


def refit_training(system: System, seed: int) -> Training:
    """The training of the chosen configuration that no validation value ends."""
    budget = system.config.budget
    patient = BudgetConfig.model_validate({**dict(budget), "patience": None})
    return Training(system=REFIT, config=system.config.model_copy(update={"seed": seed, "budget": patient}))


def epochs_of(planned: PlannedAnswer, system: System) -> int:
    """The median of the best epochs of the configuration's trainings, on the same schedule."""
    results = planned.results([system])[system.name]
    return round(median(best_report(result.reports).epoch for result in results if result.trained))


def put_refitted(planned: PlannedAnswer, training: Training, folder: Path, server: ForkServer) -> None:
    """Write the network of the last epoch to the answer's folder."""
    target = planned.folder / REFITTED_FOLDER
    make_folder(target)
    task = LastWeights(config=training.config, checkpoint=folder / CHECKPOINT_NAME, target=target / WEIGHTS_NAME)
    computed(planned, server, extract_weights, task)
    measured = Predictor.from_yaml((planned.folder / NETWORK / PREDICTOR_NAME).read_text())
    member = Member(
        config=training.config,
        weights=WEIGHTS_NAME,
        origin="trained on all labelled data",
        temperature=measured.members[0].temperature,
    )
    predictor = measured.model_copy(update={"members": (member,)})
    write_whole(target / PREDICTOR_NAME, predictor.to_yaml())
