"""Weights & Biases: a run a trial, grouped by study. WANDB_MODE=offline keeps it in the study's folder.

A run goes on under its id. Offline, each time it is opened leaves a folder `offline-run-*`; `wandb sync` joins them.
"""

import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from uuid import uuid4

import wandb

from search.errors import UserError
from search.tracking.tracker import Ending, Opened, TrackedStudy, TrackedTrial

OFFLINE = ("offline", "dryrun", "disabled")


class WeightsAndBiases:
    """Writes through `wandb.init`, several runs at once in this process."""

    def __init__(self, study: TrackedStudy) -> None:
        self._study = study
        self._runs: dict[int, wandb.Run] = {}
        self._known = ""
        self._mode = os.environ.get("WANDB_MODE", "online")
        self._project = os.environ.get("WANDB_PROJECT", "segtune")
        if self._mode not in OFFLINE and wandb.api.api_key is None:
            raise UserError(
                "Weights & Biases does not know you; run wandb login, set WANDB_API_KEY, or set WANDB_MODE=offline"
            )

    @property
    def place(self) -> str:
        """The project; offline runs are synced by hand, to whichever."""
        entity = os.environ.get("WANDB_ENTITY", "")
        return f"{entity}/{self._project} {'offline' if self._mode in OFFLINE else 'online'}"

    @property
    def hint(self) -> str:
        """Where it is to be seen."""
        if self._mode in OFFLINE:
            return f"uvx wandb sync {shlex.quote(str(self._study.folder))}/wandb/offline-run-*"
        return f"project {self._project}, group {self._study.name}"

    def begin(self, known: str | None) -> str:
        """A name of this study's own, of which the ids of its runs are made: a study begun anew has another."""
        self._study.folder.mkdir(parents=True, exist_ok=True)
        self._known = known or uuid4().hex[:12]
        return self._known

    def open(self, trial: TrackedTrial, known: Opened | None) -> Opened:
        """Begin a run, or go on with one."""
        run = wandb.init(
            project=self._project,
            dir=str(self._study.folder),
            id=known.run if known else f"{self._known}-{trial.number:04d}",
            name=trial.name,
            group=self._study.name,
            job_type="trial",
            tags=[trial.origin[:64]] if trial.origin else None,
            config={**trial.settings, "study": dict(self._study.settings), "trial": trial.number},
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(console="off", silent=True, x_disable_stats=True, disable_git=True),
        )
        run.define_metric("epoch", hidden=True)
        run.define_metric("*", step_metric="epoch")
        self._runs[trial.number] = run
        return Opened(run.id, known.epochs if known else 0)

    def log(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        """A row of the run's history. The step is the epoch: a row that is there already is refused by the server."""
        self._runs[number].log({"epoch": epoch, **values}, step=epoch, commit=True)

    def end(self, number: int, ending: Ending) -> None:
        """The summary, and whether it failed."""
        run = self._runs.pop(number)
        run.summary["ended"] = ending.kind
        run.summary["reason"] = ending.reason
        if ending.best is not None:
            run.summary["best validation mIoU"] = ending.best
        run.finish(exit_code=1 if ending.kind == "failed" else 0)

    def close(self) -> None:
        """Finish what is open."""
        while self._runs:
            _, run = self._runs.popitem()
            with suppress(wandb.Error):
                run.finish()
