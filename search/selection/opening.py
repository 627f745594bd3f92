"""The locked test part is opened once: the rule, and what is measured then."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from search.data.locked_part import LockedPart
from search.data.samples import TrialData
from search.errors import StudyError
from search.selection.answer import Answer, LockedTest, Opening, SystemScore, read_answer
from search.selection.bootstrap import Scores, score
from search.selection.systems import AnswerPlan
from search.selection.tasks import Located, Measured, Measurement
from search.tuning.openings import read_openings

Measure = Callable[[Measurement], Mapping[str, Sequence[Measured]]]
"""`search.selection.computing.measure`, in whichever process."""


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A system that is measured: the networks of each seed, or one predictor, and its mIoU on the validation part."""

    name: str
    words: str
    networks: tuple[Located, ...]
    validation: float


def openings_of(folder: Path, storage: str | None) -> tuple[Opening, ...]:
    """Every look at the locked part of the study in `folder`, as its storage knows them."""
    return tuple(Opening.model_validate(entry) for entry in read_openings(folder, storage))


def given_answer(folder: Path, storage: str | None) -> Answer | None:
    """The answer of the study in `folder`, with every look that its storage knows of. Raises StudyError."""
    answer = read_answer(folder)
    if answer is None:
        return None
    return answer.model_copy(update={"openings": openings_of(folder, storage) or answer.openings})


def is_settled(plan: AnswerPlan, answer: Answer | None, *, reopen: bool) -> bool:
    """Whether this answer has been given already."""
    return answer is not None and answer.plan == plan.fingerprint and not reopen


def check_may_open(study: str, plan: AnswerPlan, openings: Sequence[Opening], *, reopen: bool) -> None:
    """Raise StudyError where the locked part was opened for another answer, or this one, and `--reopen` was not given.

    An answer that was cut off before anything was seen may be continued: that is the same look.
    """
    if not openings or reopen or goes_on(plan, openings):
        return
    times = ", ".join(opening.time for opening in openings)
    what = "for other trials or options"
    if openings[-1].plan == plan.fingerprint:
        what = f"and this very answer measured then: test mIoU {openings[-1].miou:.4f}"
    raise StudyError(
        f"the locked test part of {study} was opened already ({times}), {what}: whoever looks twice and keeps the "
        "better number has chosen on the test part. The answer that was given is in the study's folder answer/, unless "
        "somebody deleted it. --reopen measures again; that is recorded, and shown with every number from then on"
    )


def goes_on(plan: AnswerPlan, openings: Sequence[Opening]) -> bool:
    """Whether the last opening was this plan's, and was cut off before its number was kept."""
    return bool(openings) and openings[-1].plan == plan.fingerprint and openings[-1].miou is None


def next_opening(plan: AnswerPlan, openings: Sequence[Opening], systems: int, *, reopen: bool) -> Opening | None:
    """The opening to be recorded now; None where an answer goes on that was cut off after its own was."""
    if goes_on(plan, openings) and not reopen:
        return None
    return Opening(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        systems=systems,
        reopened="--reopen" if openings else None,
        plan=plan.fingerprint,
    )


def measured_on(
    part: LockedPart, data: TrialData, systems: Sequence[Tested], measure: Measure, threads: int
) -> LockedTest:
    """What `systems` reach on the locked part; the first one is the answer, with which the others are compared."""
    there = replace(data, validation=part.samples)
    networks = {system.name: system.networks for system in systems}
    measured = measure(Measurement(data=there, systems=networks, threads=threads))
    confusions = {name: [network.confusions for network in found] for name, found in measured.items()}
    facts = data.facts
    scores = score(confusions, part.groups, class_names=facts.class_names, ignored=facts.ignored)
    (answer, *_) = confusions[systems[0].name]
    return LockedTest(
        images=scores.images,
        groups=scores.groups,
        systems=tuple(_score(system, scores, measured[system.name]) for system in systems),
        differences=scores.differences,
        confusion=tuple(tuple(row) for row in answer.sum(0).tolist()),
    )


def _score(system: Tested, scores: Scores, networks: Sequence[Measured]) -> SystemScore:
    found = scores.systems[system.name]
    return SystemScore(
        name=system.name,
        words=system.words,
        miou=found.miou,
        classes=found.classes,
        readings={key: fmean(network.readings[key] for network in networks) for key in networks[0].readings},
        seeds=found.seeds,
        validation=system.validation,
    )
