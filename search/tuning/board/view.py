"""The study's storage as the dashboard sees it: read through, with notes, figures, columns and marks added.

optuna-dashboard asks a storage for everything that it shows. This one answers from the study's own and adds what
`search.tuning.board.pages` makes of each trial; into the study go only the notes and files that a user adds by hand.
"""

import io
import json
import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, NamedTuple, NoReturn

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from search.tuning.board.pages import Artifact, Page, Pages
from search.tuning.objectives import UNITS, costs_of
from search.tuning.overview import search_runs
from search.tuning.record import TrialRecord

METRIC_NAMES, METRIC = "study:metric_names", "validation mIoU"
ARTIFACT_PREFIX = "artifacts:"
CONSTRAINTS = "constraints"
"""The key under which optuna-dashboard 0.21 looks for constraints: a list of numbers, as Optuna stored them before its
version 5."""

_NOTE = re.compile(r"dashboard:(?:(\d+):)?note_str:\d+")
"""Keys of the text of a note: of the trial with that id, of the study where there is none."""


class Shown(NamedTuple):
    """A trial as it is shown; `key` is what it was made of."""

    key: tuple[object, ...]
    trial: FrozenTrial
    page: Page


class BoardStorage(BaseStorage):
    """One study of a storage with its pages; other studies in it are left as they are. Safe for threads."""

    def __init__(self, storage: BaseStorage, study_id: int, pages: Pages) -> None:
        self._storage = storage
        self._study_id = study_id
        self._pages = pages
        self._lock = Lock()
        self._shown: dict[int, Shown] = {}
        self._artifacts: dict[str, Artifact] = {}

    @property
    def _several(self) -> bool:
        return len(self._pages.spec.objectives) > 1

    # --- what is shown -----------------------------------------------------------------------------------------------

    def records(self) -> list[TrialRecord]:
        """Every trial of the study, by number."""
        return [TrialRecord.read(trial, several=self._several) for trial in self._trials()]

    def artifact(self, artifact_id: str) -> Artifact | None:
        """A figure or table of a trial that was shown."""
        return self._artifacts.get(artifact_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The trials of a study, those of ours with their pages."""
        if study_id != self._study_id:
            return self._storage.get_all_trials(study_id, deepcopy, states)
        return [self._show(trial).trial for trial in self._trials() if states is None or trial.state in states]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """One trial."""
        trial = self._storage.get_trial(trial_id)
        return self._show(trial).trial if self._is_ours(trial_id) else trial

    def get_all_studies(self) -> list[FrozenStudy]:
        """All studies of the storage."""
        return [self._with_page(study) for study in self._storage.get_all_studies()]

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """What Optuna and the dashboard keep of a study: notes and the metric's name among them."""
        stored = self._storage.get_study_system_attrs(study_id)
        return {**stored, **self._additions(stored)} if study_id == self._study_id else stored

    def _trials(self) -> list[FrozenTrial]:
        return self._storage.get_all_trials(self._study_id, deepcopy=False)

    def _is_ours(self, trial_id: int) -> bool:
        return trial_id in self._shown or any(ours._trial_id == trial_id for ours in self._trials())

    def _show(self, trial: FrozenTrial) -> Shown:
        """The trial with its page, made anew where something has changed."""
        record = TrialRecord.read(trial, several=self._several)
        uploaded = {name: value for name, value in trial.system_attrs.items() if name.startswith(ARTIFACT_PREFIX)}
        picture, cost = self._pages.picture(record), self._pages.costs.get(record.number)
        running = record.state == "RUNNING" and search_runs(self._pages.folder)
        key = (record.state, running, record.epochs, record.reason, len(trial.user_attrs), len(uploaded), picture, cost)
        with self._lock:
            shown = self._shown.get(trial._trial_id)
            if shown is None or shown.key != key:
                for artifact in () if shown is None else shown.page.artifacts:
                    self._artifacts.pop(artifact.id, None)
                address = f"/artifacts/{self._study_id}/{trial._trial_id}"
                page = self._pages.trial(record, address, running=running)
                shown = Shown(key, _with_page(trial, page), page)
                self._shown[trial._trial_id] = shown
                self._artifacts.update({artifact.id: artifact for artifact in page.artifacts})
            return shown

    def _with_page(self, study: FrozenStudy) -> FrozenStudy:
        if study._study_id != self._study_id:
            return study
        return FrozenStudy(
            study_name=study.study_name,
            direction=None,
            directions=study.directions,
            user_attrs=dict(self._pages.study_attributes),
            system_attrs={**study.system_attrs, **self._additions(study.system_attrs)},
            study_id=study._study_id,
        )

    def _additions(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """The metric's name, and the notes that no user has written."""
        taken = {match[1] for name, text in stored.items() if text and (match := _NOTE.fullmatch(name))}
        costs = [UNITS[cost] for cost in costs_of(self._pages.spec.objectives)]
        added: dict[str, Any] = {METRIC_NAMES: [METRIC, *costs]}
        trials = self._trials()
        if None not in taken:
            added |= _note("", self._pages.study(self.records()), stored)
        for trial in trials:
            if str(trial._trial_id) not in taken:
                added |= _note(f"{trial._trial_id}:", self._show(trial).page.note, stored)
        return added

    # --- read as it is -----------------------------------------------------------------------------------------------

    def get_study_id_from_name(self, study_name: str) -> int:
        """See BaseStorage."""
        return self._storage.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """See BaseStorage."""
        return self._storage.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """See BaseStorage."""
        return self._storage.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """See BaseStorage."""
        return self._storage.get_study_user_attrs(study_id)

    # --- written: notes, and files that a user adds ------------------------------------------------------------------

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """See BaseStorage. Raises ReadOnlyError for another study."""
        if study_id != self._study_id:
            _refuse()
        self._storage.set_study_system_attr(study_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See BaseStorage. Raises ReadOnlyError for a trial of another study."""
        if not self._is_ours(trial_id):
            _refuse()
        self._storage.set_trial_system_attr(trial_id, key, value)

    # --- never written -----------------------------------------------------------------------------------------------

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Refused: raises ReadOnlyError."""
        _refuse()

    def delete_study(self, study_id: int) -> None:
        """Refused: raises ReadOnlyError."""
        _refuse()

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Refused: raises ReadOnlyError."""
        _refuse()

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Refused: raises ReadOnlyError."""
        _refuse()

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Refused: raises ReadOnlyError."""
        _refuse()

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Refused: raises ReadOnlyError."""
        _refuse()

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Refused: raises ReadOnlyError."""
        _refuse()

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Refused: raises ReadOnlyError."""
        _refuse()


class ReadOnlyError(RuntimeError):
    """Something would change a study that is only looked at."""


class BoardArtifacts:
    """Optuna's ArtifactStore of a dashboard: what is shown of trials, and the files that a user adds."""

    def __init__(self, storage: BoardStorage, folder: Path) -> None:
        self._storage = storage
        self._folder = folder
        self._added = FileSystemArtifactStore(folder)

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The content of an artifact. Raises ArtifactNotFound."""
        shown = self._storage.artifact(artifact_id)
        if shown is None:
            return self._added.open_reader(artifact_id)
        try:
            return io.BytesIO(shown.content())
        except OSError as error:
            raise ArtifactNotFound(f"{shown.filename} is gone") from error

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keep a file that a user adds."""
        self._folder.mkdir(exist_ok=True)
        self._added.write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Remove a file that a user has added. Raises ArtifactNotFound for what is shown of trials."""
        if self._storage.artifact(artifact_id) is not None:
            raise ArtifactNotFound("what is shown of a trial follows from the study, and stays")
        self._added.remove(artifact_id)


def _with_page(trial: FrozenTrial, page: Page) -> FrozenTrial:
    artifacts = {
        ARTIFACT_PREFIX + artifact.id: json.dumps(
            {
                "artifact_id": artifact.id,
                "filename": artifact.filename,
                "mimetype": artifact.mimetype,
                "encoding": None,
            }
        )
        for artifact in page.artifacts
    }
    constraints = list(trial.constraints.values())
    return FrozenTrial(
        number=trial.number,
        state=trial.state,
        value=None,
        values=trial.values,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=dict(page.attributes),
        system_attrs={**trial.system_attrs, CONSTRAINTS: constraints, **artifacts},
        intermediate_values=trial.intermediate_values,
        trial_id=trial._trial_id,
    )


def _note(whose: str, text: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """A note as optuna-dashboard stores it. The version is that of what a user wrote and took away again."""
    version = f"dashboard:{whose}note_ver"
    return {version: stored.get(version, 0), f"dashboard:{whose}note_str:0": text}


def _refuse() -> NoReturn:
    raise ReadOnlyError("a study is only looked at here; search.delete removes it")
