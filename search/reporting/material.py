"""All that a report is made from, read at one moment."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.data.audit import Audit
from search.errors import StudyError
from search.reporting.measurements import Measurements
from search.selection.answer import Answer
from search.selection.opening import given_answer
from search.tuning.best import BestConfig, read_best
from search.tuning.folder import AUDIT_NAME, BEST_NAME, read_runs
from search.tuning.importance import Importance
from search.tuning.overview import count_kinds, search_runs
from search.tuning.parameters import Parameter, read_parameters
from search.tuning.reading import StoredStudy, read_study
from search.tuning.record import TrialRecord, ranked
from search.tuning.spec import StudySpec


@dataclass(frozen=True, kw_only=True)
class Material:
    """A study, what belongs to it, and what was measured for the report.

    `audit`, `best` and `answer` are None where their file is not there or cannot be read; what is wrong with the last
    two stands in `best_problem` and `answer_problem`. `not_validated` is the sentence that says why there is no
    `measured.validation`.
    """

    study: StoredStudy
    parameters: Mapping[str, Parameter]
    running: bool
    runs: Sequence[Mapping[str, Any]]
    audit: Audit | None
    best: BestConfig | None
    answer: Answer | None
    measured: Measurements
    best_problem: str = ""
    answer_problem: str = ""
    not_validated: str = ""

    @property
    def spec(self) -> StudySpec:
        """What the study is."""
        return self.study.spec

    @property
    def records(self) -> list[TrialRecord]:
        """Every trial, by number."""
        return self.study.records

    @property
    def ranked(self) -> list[TrialRecord]:
        """The trials with a value that counts, best first."""
        return ranked(self.records)

    @property
    def counts(self) -> Counter[str]:
        """How many trials there are of each kind."""
        return count_kinds(self.records, running=self.running)

    @property
    def importances(self) -> tuple[Importance, ...]:
        """The importances, the largest first; empty where they could not be computed."""
        return self.measured.importances.entries if self.measured.importances is not None else ()


def gather(folder: Path, storage: str | None = None) -> Material:
    """Read everything about the study in `folder`; changes nothing. Raises StudyError, as `read_study` does."""
    study = read_study(folder, storage)
    best, best_problem = _read_best(folder / BEST_NAME)
    answer, answer_problem = _read_answer(folder, storage)
    return Material(
        study=study,
        parameters=read_parameters(folder, storage),
        running=search_runs(folder),
        runs=read_runs(folder),
        audit=_read_audit(folder / AUDIT_NAME),
        best=best,
        answer=answer,
        measured=Measurements(identity=study.spec.identity_hash),
        best_problem=best_problem,
        answer_problem=answer_problem,
    )


def _read_best(path: Path) -> tuple[BestConfig | None, str]:
    try:
        return (read_best(path) if path.is_file() else None), ""
    except StudyError as error:
        return None, _first_line(error)


def _read_answer(folder: Path, storage: str | None) -> tuple[Answer | None, str]:
    try:
        return given_answer(folder, storage), ""
    except (OSError, StudyError) as error:
        return None, _first_line(error)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(":")


def _read_audit(path: Path) -> Audit | None:
    try:
        return Audit.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None
