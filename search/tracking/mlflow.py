"""MLflow: an experiment a study, in it a parent run and below that a run a trial.

Where MLFLOW_TRACKING_URI names a server, that is told; else an SQLite file in the study's folder.
"""

import os
import shlex
import time
from collections.abc import Mapping
from typing import Literal

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from search.tracking.tracker import MIOU, Ending, Opened, Settings, TrackedStudy, TrackedTrial

PARENT, NOTE = "mlflow.parentRunId", "mlflow.note.content"
LONGEST_VALUE = 500
MOST_PARAMETERS = 100
"""That servers take at once, and the characters that all of them take of a value."""

STATUS: dict[str, Literal["FINISHED", "FAILED", "KILLED"]] = {
    "complete": "FINISHED",
    "pruned": "FINISHED",
    "failed": "FAILED",
    "to be continued": "KILLED",
}

IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""MLflow asks a server that is gone for minutes; these are taken where the user has set nothing."""


class MLflow:
    """Writes through MlflowClient, which has no active run and no global state."""

    def __init__(self, study: TrackedStudy) -> None:
        self._study = study
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if uri is None:
            study.folder.mkdir(parents=True, exist_ok=True)
            uri = f"sqlite:///{study.folder / 'mlflow.db'}"
        for name, value in IMPATIENT.items():
            os.environ.setdefault(name, value)
        self._uri = uri
        self._local = uri.startswith("sqlite:///")
        self._client = MlflowClient(tracking_uri=uri)
        self._experiment = ""
        self._parent = ""
        self._runs: dict[int, str] = {}

    @property
    def place(self) -> str:
        """The server; of the study's own file the kind alone, since it is moved with its study."""
        return "mlflow" if self._uri.endswith(str(self._study.folder / "mlflow.db")) else self._uri

    @property
    def hint(self) -> str:
        """The command that shows it, or the server."""
        return f"uvx mlflow ui --backend-store-uri {shlex.quote(self._uri)}" if self._local else self._uri

    def begin(self, known: str | None) -> str:
        """Find or make the experiment and the parent run."""
        found = self._client.get_experiment_by_name(self._study.name)
        if found is not None and found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        artifacts = (self._study.folder / "artifacts").as_uri() if self._local else None
        self._experiment = (
            found.experiment_id
            if found is not None
            else self._client.create_experiment(self._study.name, artifact_location=artifacts)
        )
        if known is not None and self._exists(known):
            self._parent = known
            self._client.update_run(known, status="RUNNING")
        else:
            run = self._client.create_run(self._experiment, run_name=self._study.name)
            self._parent = run.info.run_id
            self._log_params(self._parent, self._study.settings)
        return self._parent

    def open(self, trial: TrackedTrial, known: Opened | None) -> Opened:
        """Make a child run, or go on with one after the last epoch that the server has."""
        if known is not None and self._exists(known.run):
            self._runs[trial.number] = known.run
            self._client.update_run(known.run, status="RUNNING")
            history = self._client.get_metric_history(known.run, MIOU)
            return Opened(known.run, max((metric.step for metric in history), default=0))
        tags = {PARENT: self._parent, "trial": str(trial.number), "proposed by": trial.origin}
        run = self._client.create_run(self._experiment, run_name=trial.name, tags=tags)
        self._runs[trial.number] = run.info.run_id
        self._log_params(run.info.run_id, trial.settings)
        return Opened(run.info.run_id, 0)

    def log(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        """Metrics against the epoch, in one request."""
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, epoch) for name, value in values.items()]
        self._client.log_batch(self._runs[number], metrics=metrics)

    def end(self, number: int, ending: Ending) -> None:
        """The run's status, with how it ended as a tag and the reason as its description."""
        run = self._runs.pop(number)
        tags = [RunTag("ended", ending.kind), RunTag(NOTE, ending.reason[-5000:])]
        now = int(time.time() * 1000)
        best = [] if ending.best is None else [Metric("best validation mIoU", ending.best, now, 0)]
        self._client.log_batch(run, metrics=best, tags=tags)
        self._client.set_terminated(run, status=STATUS[ending.kind])

    def close(self) -> None:
        """End the parent run, and leave those that are open to the next run of the search."""
        for run in [*self._runs.values(), self._parent]:
            if run:
                self._client.set_terminated(run, status="KILLED" if run != self._parent else "FINISHED")
        self._runs.clear()

    def _exists(self, run: str) -> bool:
        """Whether a run is there and was not deleted by hand."""
        try:
            return self._client.get_run(run).info.lifecycle_stage == "active"
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

    def _log_params(self, run: str, settings: Settings) -> None:
        params = [Param(name, str(value)[:LONGEST_VALUE]) for name, value in settings.items()]
        for start in range(0, len(params), MOST_PARAMETERS):
            self._client.log_batch(run, params=params[start : start + MOST_PARAMETERS])
