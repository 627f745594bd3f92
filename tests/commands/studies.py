"""Whole studies on disk without training, and commands called in this process."""

from pathlib import Path

import pytest

from search.command import run_command
from search.data.form import DataForm
from search.data.split import SplitRecipe
from search.tuning.best import DataIdentity, best_config
from search.tuning.engine import Engine, RunLimits
from search.tuning.folder import AUDIT_NAME, BEST_NAME, LOG_NAME, SPLIT_NAME, append_run, create_folder
from search.tuning.local import run_local
from search.tuning.reading import read_records
from search.tuning.record import TrialRecord, ranked
from search.tuning.runner import Worker
from search.tuning.storage import open_study, storage_url
from tests.contracts import fake_training
from tests.tuning.made_up import SPACE, spec

STARTED = "2026-03-04T12:00:00+00:00"

IDENTITY = DataIdentity(
    name="fake",
    fingerprint="d",
    removed=0,
    removed_hash="r",
    split=SplitRecipe(rule="groups", fractions=(0.6, 0.2, 0.2), seed=0),
    split_fingerprint="p",
    input_size=(64, 128),
    form=DataForm(channels=1, class_names=fake_training.CLASSES, labels=(0, 1, 2), background=0, ignored=(0,)),
)


def make_study(
    results: Path,
    name: str = "mars",
    *,
    trials: int = 5,
    keep: int = 2,
    faults: tuple[str, ...] = (),
    storage: str | None = None,
    **identity: object,
) -> Path:
    """Search with the fake trainer, and leave all the files that a search leaves; `faults` by trial number."""
    folder = results / name
    create_folder(folder)
    study_spec = spec(**identity)
    study_spec.write(folder)
    append_run(folder, {"started": STARTED, "storage": storage, "threads": 1})
    for file in (LOG_NAME, SPLIT_NAME, AUDIT_NAME, ".lock"):
        (folder / file).touch()
    for number, fault in enumerate(faults):
        (folder / f"fault-{number}").write_text(fault)
    study = open_study(storage_url(folder, storage), name, study_spec.objectives)
    engine = Engine(study, SPACE, study_spec, folder, RunLimits(trials=trials, deadline=None, keep=keep))
    worker = Worker(
        data=fake_training.data(),
        trainer=fake_training.train,
        check=fake_training.admit,
        threads=1,
        meter=fake_training.measure if len(study_spec.objectives) > 1 else None,
    )
    run_local(engine, worker)
    for number in range(len(faults)):
        (folder / f"fault-{number}").unlink()
    if best := ranked(study.records()):
        (folder / BEST_NAME).write_text(best_config(name, best[0], IDENTITY).to_yaml())
    return folder


def records_of(folder: Path, storage: str | None = None) -> list[TrialRecord]:
    return read_records(folder, storage)


class Commands:
    """Calls a command as the shell would; returns its exit code."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.out = ""
        self.err = ""

    def run(self, main, *arguments: object) -> int:
        self._monkeypatch.setattr("sys.argv", ["command", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            run_command(main)
        self.out, self.err = self._capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code
