"""A study in Python: what was searched, what came of each trial, and the best one. Nothing here writes to it."""

from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from search.selection.answer import Answer, read_answer
from search.selection.export import plan_export
from search.terminal.summary import BEST_HEADERS, best_rows
from search.tuning.overview import count_kinds, counts_text, kind_of, search_runs
from search.tuning.reading import StoredStudy, read_study, study_name
from search.tuning.record import TrialRecord, best_of
from search.tuning.spec import StudySpec
from search.tuning.storage import absolute_url
from search.words import value_text
from spaces.config import TrialConfig


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best trial: its validation mIoU, the epoch that reached it, and the configuration."""

    trial: int
    miou: float
    epoch: int
    config: TrialConfig

    @property
    def yaml(self) -> str:
        """The configuration as YAML; `Study.export` writes it with what identifies data and split."""
        return self.config.to_yaml()


@dataclass(frozen=True, kw_only=True, repr=False)
class Study:
    """A study as it was when it was loaded.

    - `trials`: every trial by number, with `number`, `params`, `config`, `values` (mIoU by epoch), `best_value`,
      `best_epoch`, `epochs`, `seconds`, `ending` ("complete", "pruned", "refused", "failed", ...) and `reason`.
    - `spec`: what the study is, and what was measured at its start.
    - `running`: whether a search of this machine was at work on it.
    - `interrupted`: whether Ctrl-C ended the run that returned it.
    - `storage`: the storage that was asked for, None for that of its last run.
    """

    folder: Path
    spec: StudySpec
    trials: tuple[TrialRecord, ...]
    running: bool = False
    interrupted: bool = False
    storage: str | None = None

    @property
    def name(self) -> str:
        """The study's name: that of its folder."""
        return study_name(self.folder)

    @property
    def space(self) -> str:
        """The search space: a preset's name, or FILE.py:function."""
        return self.spec.space

    @property
    def data(self) -> str:
        """What the data is called: the name of its file or folder."""
        return self.spec.data_name

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each class; a class is an index into it."""
        return self.spec.facts.class_names

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width in pixels at which networks train."""
        return self.spec.facts.height, self.spec.facts.width

    @property
    def best(self) -> Best | None:
        """The trial with the best validation mIoU, None before the first epoch."""
        record = best_of(list(self.trials))
        if record is None or record.best_value is None:
            return None
        return Best(trial=record.number, miou=record.best_value, epoch=record.best_epoch, config=record.config)

    @property
    def counts(self) -> Counter[str]:
        """How many trials are complete, pruned, refused, failed, running, to be continued."""
        return count_kinds(self.trials, running=self.running)

    @property
    def answer(self) -> Answer | None:
        """What the best configurations reach on the locked test part, None where it has not been asked for."""
        return read_answer(self.folder)

    def table(self) -> list[dict[str, Any]]:
        """A row for each trial, its parameters behind; `pandas.DataFrame(study.table())` makes a frame of it.

        `miou` is the best on validation, None before the first epoch. A parameter that a trial does not have is not in
        its row.

        Example:
            >>> study.table()[0]["from"]
            'default'
        """
        return [self._row(record) for record in self.trials]

    def _row(self, record: TrialRecord) -> dict[str, Any]:
        return {
            "trial": record.number,
            "state": kind_of(record, running=self.running),
            "miou": record.best_value,
            "best_epoch": record.best_epoch or None,
            "epochs": record.epochs,
            "seconds": record.seconds,
            "from": record.point or record.sampled_by,
            "reason": record.reason,
            **record.params,
        }

    def export(self, path: str | Path, *, trial: int | None = None, licence: str = "unknown") -> Path:
        """Write the answer, else the best trial, or trial number `trial`, to a new or empty folder, and return it.

        It is the package of `search.export`; `licence` is what its model card names. Takes seconds: programs are
        written and checked. Raises StudyError where no trial has trained, its weights were not kept, or the folder
        cannot be written.

        Example:
            >>> folder = study.export("best")
            >>> (folder / "best.yaml").is_file(), (folder / "best.safetensors").is_file()
            (True, True)
        """
        from search.selection.package.write import write_package

        write_package(plan_export(self.stored, trial), Path(path), licence)
        return Path(path)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the study as one page of HTML that works offline, to `path` or to its folder, and return that file."""
        from search.reporting.contents import write_report

        return write_report(self.folder, to=None if path is None else Path(path), storage=self.storage)

    @property
    def stored(self) -> StoredStudy:
        """The study in the form that exports and reports read."""
        return StoredStudy(folder=self.folder, spec=self.spec, records=list(self.trials))

    def __repr__(self) -> str:
        best = self.best
        words = "no epoch yet" if best is None else f"best mIoU {best.miou:.4f} in trial {best.trial}"
        return f"<Study {self.name}: trials {counts_text(self.counts)}, {words}>"

    def _repr_html_(self) -> str:
        """The best trials as notebooks show them. Every text is escaped: names come from data and users."""
        best = self.best
        value = value_text(None if best is None else best.miou)
        title = f"<b>{escape(self.name)}</b>: {escape(self.space)} on {escape(self.data)}"
        counts = f"trials {escape(counts_text(self.counts))}, best validation mIoU {value}"
        head = "".join(f"<th>{escape(header)}</th>" for header in BEST_HEADERS)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in best_rows(self.trials)
        )
        return f"<p>{title}<br>{counts}</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def study_in(folder: Path, storage: str | None = None) -> Study:
    """The study in `folder`. Raises StudyError for a folder without one."""
    stored = read_study(folder, storage)
    return Study(
        folder=folder,
        spec=stored.spec,
        trials=tuple(stored.records),
        running=search_runs(folder),
        storage=absolute_url(storage) if storage else None,
    )
