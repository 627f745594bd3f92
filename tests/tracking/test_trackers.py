"""The three libraries: what was told is what their own readers find. Slow imports: uv run pytest -m tracking."""

import importlib
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from search.errors import StudyError
from search.tracking import feed
from search.tracking.build import build_tracker
from search.tracking.tracker import TrackedStudy, epoch_values, trial_settings
from search.training.outcome import EpochReport
from tests.contracts.fake_training import CLASSES
from tests.tracking.reading import READERS, Told
from tests.tracking.searches import notices, records, search

pytestmark = [
    pytest.mark.tracking,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the libraries, which are not shown to users either
]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake searches end before a library is imported."""
    monkeypatch.setattr(feed, "PATIENCE", 240.0)


@pytest.fixture(params=["tensorboard", "mlflow", "wandb"])
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    pytest.importorskip(request.param)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    for variable in ("WANDB_PROJECT", "WANDB_ENTITY", "WANDB_DIR"):
        monkeypatch.delenv(variable, raising=False)
    return request.param


def check_same(told: dict[str, Told], folder: Path) -> None:
    """Every trial that trained is there under its number, each epoch once, with the values of the study."""
    study = {f"trial {record.number}": record for record in records(folder)}
    assert set(told) == set(study)
    for trial, record in study.items():
        expected: dict[str, list[tuple[int, float]]] = {}
        for entry in record.curve:
            report = EpochReport.model_validate(entry)
            for key, value in epoch_values(report, CLASSES).items():
                expected.setdefault(key, []).append((report.epoch, pytest.approx(value)))
        assert told[trial].values == expected, trial
        for key, value in trial_settings(record.config).items():
            shown = told[trial].settings[key]
            number = isinstance(value, int | float) and not isinstance(value, bool)
            assert float(shown) == value if number else shown == str(value), key


def test_what_is_told_is_there_and_a_search_that_goes_on_appends(name: str, tmp_path: Path) -> None:
    (tmp_path / "fault-1").write_text("disk 4 1")
    (tmp_path / "fault-2").write_text("nan 2 1")
    with pytest.raises(StudyError, match="No space"):
        search(tmp_path, (name,), build_tracker, trials=4, grace_epochs=9)
    first = READERS[name](tmp_path)
    assert (set(first), first["trial 1"].ended) == ({"trial 0", "trial 1"}, "to be continued")
    events = search(tmp_path, (name,), build_tracker, trials=4, grace_epochs=9)
    assert not notices(events, warning=True)
    told = READERS[name](tmp_path)
    check_same(told, tmp_path)
    assert [told[f"trial {number}"].ended for number in range(4)] == ["complete", "complete", "failed", "complete"]
    assert {trial.group for trial in told.values()} == {tmp_path.name}


def test_the_command_that_shows_it_can_be_pasted(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "it's mine"
    folder.mkdir()
    hint = build_tracker(name, TrackedStudy(name="mars", folder=folder, settings={})).hint
    assert [word for word in shlex.split(hint) if str(folder) in word]


def test_the_process_of_the_search_stays_without_torch(name: str, tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from search.tracking import feed
from search.tracking.build import build_tracker
from search.tracking.tracker import Ending, TrackedStudy, TrackedTrial
tracker = build_tracker({name!r}, TrackedStudy(name="mars", folder=Path({str(tmp_path)!r}), settings={{"seed": 0}}))
tracker.begin(None)
tracker.open(TrackedTrial(number=0, origin="default", settings={{"width": 8}}), None)
tracker.log(0, 1, {{"validation/mIoU": 0.5}})
tracker.end(0, Ending(kind="complete", reason="trained", best=0.5))
tracker.close()
print(sorted({{"torch", "tensorflow"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.stdout == "[]\n", done.stderr


def test_what_the_search_logs_still_arrives(name: str, tmp_path: Path) -> None:
    """MLflow's database migrations, for one, bring a logging configuration of their own."""
    import logging

    from search.tuning.session import logged_to

    with logged_to(tmp_path / "search.log"):
        search(tmp_path, (name,), build_tracker, trials=1)
        logging.getLogger("search.tests").warning("still here")
    assert "WARNING search.tests: still here" in (tmp_path / "search.log").read_text()


def test_a_server_that_is_not_there_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    events = search(tmp_path, ("mlflow",), build_tracker, trials=2)
    (warning,) = notices(events, warning=True)
    assert warning.startswith("warning: --track mlflow has stopped: ")
    assert [record.state for record in records(tmp_path)] == ["COMPLETE", "PRUNED"]


def test_without_a_key_wandb_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    for variable in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_PROJECT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    events = search(tmp_path, ("wandb",), build_tracker, trials=1)
    (warning,) = notices(events, warning=True)
    assert "run wandb login, set WANDB_API_KEY, or set WANDB_MODE=offline" in warning


def test_every_tracker_that_may_be_asked_for_can_be_built() -> None:
    from typing import get_args, get_type_hints

    from search.tuning.options import Execution

    hint = get_type_hints(Execution)["track"]
    (kinds, *_) = get_args(hint)
    assert set(get_args(kinds)) == set(READERS)
    for kind in READERS:
        if importlib.util.find_spec(kind) is not None:
            importlib.import_module(f"search.tracking.{kind}")
