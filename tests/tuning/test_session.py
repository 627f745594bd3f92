"""A whole search in this process: real data, real training of tiny networks, and what it leaves."""

import hashlib
import json
import logging
import os
import signal
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from search.errors import SpaceError, StudyError
from search.training.outcome import Training, TrialOutcome
from search.tuning.best import read_best
from search.tuning.folder import locked, read_runs, study_folders
from search.tuning.options import Budget, Execution
from search.tuning.plan import Plan
from search.tuning.reading import read_records
from search.tuning.removal import plan_removal, remove
from search.tuning.session import run
from search.tuning.spec import read_spec
from search.tuning.storage import open_study, storage_url
from tests.contracts import fake_training
from tests.tuning.in_this_process import InThisProcess
from tests.tuning.made_up import Killed, report
from tests.tuning.whole_search import Done, asked, search, write_place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def first(place: Path) -> Done:
    return search(asked(place))


@pytest.fixture
def elsewhere(first: Done, tmp_path: Path) -> Plan:
    """The same plan for a new folder: what was measured is measured."""
    return replace(first.planned, folder=tmp_path / "again", continued=False)


def test_two_trials_are_trained(first: Done) -> None:
    records = first.result.records
    assert [(record.number, record.state, record.epochs) for record in records] == [
        (0, "COMPLETE", 1),
        (1, "COMPLETE", 1),
    ]
    assert [record.sampled_by for record in records] == ["named point", "near the best"]
    assert all(0 <= (record.best_value or 0) < 1 for record in records)
    assert first.result.finished
    assert not first.result.interrupted


def test_the_folder_holds_all_that_later_commands_need(first: Done, place: Path) -> None:
    folder = place / "results" / "tiny-tiles"
    assert study_folders(place / "results") == [folder] == [first.planned.folder]
    assert read_spec(folder) == first.planned.spec
    assert {"spec.yaml", "runs.jsonl", "study.db", "search.log", "split.csv", "audit.json", "best.yaml", "trials"} <= {
        path.name for path in folder.iterdir()
    }
    assert json.loads((folder / "audit.json").read_text())["fingerprint"] == first.planned.spec.data_fingerprint
    assert len((folder / "split.csv").read_text().splitlines()) == 41
    assert read_runs(folder)[0] | {"started": ""} == {
        "started": "",
        "data": str(place / "tiles.npz"),
        "pretrained": "none",
        "storage": None,
        "trials": 2,
        "time_budget": None,
        "executor": "local",
        "concurrency": 1,
        "threads": first.planned.resources.threads,
        "gpus_per_trial": 0.0,
        "pictures": None,
        "track": [],
    }


def test_the_best_trial_is_written_down(first: Done) -> None:
    best = read_best(first.planned.folder / "best.yaml")
    record = first.result.best
    assert record is not None
    assert (best.trial, best.miou, best.epoch) == (record.number, record.best_value, 1)
    assert best.config == record.config
    assert best.data.fingerprint == first.planned.spec.data_fingerprint
    assert best.data.input_size == (16, 16)
    assert (first.planned.folder / "trials" / f"{record.number:04d}" / "best.safetensors").is_file()
    assert not list(first.planned.folder.glob("trials/*/checkpoint.pt"))


def test_a_study_that_starts_from_weights_goes_on_with_the_same_alone(first: Done, place: Path, tmp_path: Path) -> None:
    weights = first.planned.folder / "trials/0000/best.safetensors"
    options = asked(place, trials=1)

    def started(pretrained: Path | str) -> Done:
        return search(replace(options, what=replace(options.what, pretrained=str(pretrained), study="started")))

    done = started(weights)
    sha = f"sha256:{hashlib.sha256(weights.read_bytes()).hexdigest()}"
    assert sha == done.planned.spec.pretrained == read_best(done.planned.folder / "best.yaml").config.pretrained
    (record,), random = done.result.records, first.result.records[0]
    assert (record.pretrained, random.pretrained) == (1.0, None)
    assert record.curve[0]["train_loss"] < random.curve[0]["train_loss"]
    assert read_runs(done.planned.folder)[0]["pretrained"] == str(weights)
    assert started(weights.rename(tmp_path / "moved")).planned.continued
    (tmp_path / "moved").rename(weights)
    with pytest.raises(StudyError, match=r"  pretrained: the study has sha256:.*, asked for none"):
        started("none")


def test_a_search_of_several_objectives_measures_and_tells_them(first: Done, elsewhere: Plan) -> None:
    spec = elsewhere.spec.model_copy(update={"objectives": ("miou", "latency", "macs")})
    several = replace(elsewhere, spec=spec)
    records = run(several, lambda *_: nullcontext(), InThisProcess()).records
    assert [record.state for record in records] == ["COMPLETE", "COMPLETE"]
    assert all(record.costs["latency"] > 0 and record.costs["macs"] > record.costs["parameters"] for record in records)
    alone = first.result.records
    assert not alone[0].costs
    assert records[0].values == alone[0].values  # measuring changes no training
    stored = optuna.load_study(study_name="again", storage=storage_url(several.folder, None))
    values = [(record.best_value, record.costs["macs"]) for record in records]
    assert [(trial.values[0], trial.values[2]) for trial in stored.trials] == values
    assert stored.trials[0].values[1] == records[0].curve[0]["costs"]["latency"]
    assert read_best(several.folder / "best.yaml").miou == max(record.best_value or 0 for record in records)
    again = run(replace(several, continued=True), lambda *_: nullcontext(), InThisProcess())
    assert again.finished
    assert [record.costs for record in again.records] == [record.costs for record in records]
    with pytest.raises(StudyError, match="the storage already holds another study named 'again'"):
        run(replace(elsewhere, continued=True), lambda *_: nullcontext(), InThisProcess())


def test_the_same_command_again_finds_it_finished(first: Done, place: Path) -> None:
    folder = first.planned.folder
    before = (folder / "best.yaml").read_bytes()
    runs = len(read_runs(folder))
    again = search(asked(place))
    assert again.planned.continued
    assert again.planned.spec == first.planned.spec
    assert again.result.finished
    assert [record.params for record in again.result.records] == [record.params for record in first.result.records]
    assert (folder / "best.yaml").read_bytes() == before
    assert len(read_runs(folder)) == runs + 1


def test_another_seed_under_the_same_name_is_refused(first: Done, place: Path) -> None:
    with pytest.raises(StudyError, match="the study 'tiny-tiles' exists and is another one") as error:
        search(asked(place, seed=1))
    assert "  seed: the study has 0, asked for 1" in str(error.value)
    assert "Use another --study name" in str(error.value)


def test_a_space_that_does_not_build_is_a_mistake_of_the_users(place: Path) -> None:
    with pytest.raises(SpaceError, match="failed to build: KeyError: 'no such part'"):
        search(asked(place, space="unknown"))


def test_two_searches_do_not_share_a_folder(elsewhere: Plan) -> None:
    elsewhere.folder.mkdir()
    with (
        locked(elsewhere.folder),
        pytest.raises(StudyError, match=r"another search is running on .*again; wait for it, or use another --study"),
    ):
        run(elsewhere, lambda *_: nullcontext(), InThisProcess())


def test_a_study_of_that_name_elsewhere_is_not_taken_over(elsewhere: Plan, place: Path, tmp_path: Path) -> None:
    """And the folder is not begun: its next run would otherwise look like a study that continues."""
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    open_study(url, elsewhere.folder.name).set_identity("another")
    planned = replace(elsewhere, options=asked(place, storage=url))
    with pytest.raises(StudyError, match="already holds another study named 'again'"):
        run(planned, lambda *_: nullcontext(), InThisProcess())
    assert read_spec(planned.folder) is None
    assert read_runs(planned.folder) == []


def test_a_study_is_continued_where_its_trials_are(
    elsewhere: Plan, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its storage is remembered; another one, that has none of its trials, is not begun silently."""
    monkeypatch.setattr("search.tuning.session.train_in_worker", fake_training.train)
    url = f"journal://{elsewhere.folder.parent / 'trials.log'}"
    begun = run(
        replace(elsewhere, options=asked(place, trials=1, storage=url)), lambda *_: nullcontext(), InThisProcess()
    )
    again = run(replace(elsewhere, continued=True), lambda *_: nullcontext(), InThisProcess())
    assert again.records[:1] == begun.records
    assert len(again.records) == 2
    assert [entry["storage"] for entry in read_runs(elsewhere.folder)] == [url, url]
    moved = replace(elsewhere, options=asked(place, storage=f"{url}.2"), continued=True)
    with pytest.raises(
        StudyError, match="the trials of 'again' are in the storage of its last run, and the one asked for has none"
    ):
        run(moved, lambda *_: nullcontext(), InThisProcess())
    assert len(read_runs(elsewhere.folder)) == 2


def test_a_storage_is_found_again_from_another_folder(
    elsewhere: Plan, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.tuning.session.train_in_worker", fake_training.train)
    monkeypatch.chdir(tmp_path)
    relative = replace(elsewhere, options=asked(place, trials=1, storage="journal://mine.log"))
    run(relative, lambda *_: nullcontext(), InThisProcess())
    assert read_runs(elsewhere.folder)[-1]["storage"] == f"journal://{tmp_path / 'mine.log'}"
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert len(read_records(elsewhere.folder)) == 1
    again = run(replace(elsewhere, continued=True), lambda *_: nullcontext(), InThisProcess())
    assert len(again.records) == 2
    assert not list((tmp_path / "other").iterdir())


def test_a_renamed_study_goes_on_with_its_trials(elsewhere: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own database knows it by the old name; a second study in it would begin at trial 0 among the old files."""
    monkeypatch.setattr("search.tuning.session.train_in_worker", fake_training.train)
    before = run(elsewhere, lambda *_: nullcontext(), InThisProcess()).records
    renamed = elsewhere.folder.rename(elsewhere.folder.parent / "renamed")
    after = run(replace(elsewhere, folder=renamed, continued=True), lambda *_: nullcontext(), InThisProcess())
    assert after.records == before
    assert read_best(renamed / "best.yaml").study == "renamed"


def test_a_study_whose_trials_are_gone_is_not_begun_among_their_files(
    elsewhere: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.tuning.session.train_in_worker", fake_training.train)
    run(elsewhere, lambda *_: nullcontext(), InThisProcess())
    (elsewhere.folder / "study.db").unlink()
    with pytest.raises(StudyError, match="holds the files of trials that its storage does not know"):
        run(replace(elsewhere, continued=True), lambda *_: nullcontext(), InThisProcess())


@pytest.mark.parametrize("trials", [None, 3])
def test_a_study_that_ran_out_of_time_is_not_finished(
    elsewhere: Plan, place: Path, monkeypatch: pytest.MonkeyPatch, trials: int | None
) -> None:
    monkeypatch.setattr("search.tuning.session.train_in_worker", fake_training.train)
    options = replace(asked(place), budget=Budget(trials=trials, time_budget="0.001s"))
    result = run(replace(elsewhere, options=options), lambda *_: nullcontext(), InThisProcess())
    assert not result.finished


def test_other_errors_of_the_system_are_no_full_disk(elsewhere: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("search.tuning.session.execute", refused)
    with pytest.raises(ConnectionRefusedError):
        run(elsewhere, lambda *_: nullcontext(), InThisProcess())


def test_a_search_killed_before_its_spec_was_written_begins_anew(
    elsewhere: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is measured again may come out differently, such as the number of epochs."""

    def killed(planned: Plan) -> None:
        raise Killed

    monkeypatch.setattr("search.tuning.session.train_in_worker", fake_training.train)
    with monkeypatch.context() as patch:
        patch.setattr("search.tuning.session.write_files", killed)
        with pytest.raises(Killed):
            run(elsewhere, lambda *_: nullcontext(), InThisProcess())
    other = elsewhere.spec.model_copy(update={"max_epochs": 2, "patience": 2})
    assert run(replace(elsewhere, spec=other), lambda *_: nullcontext(), InThisProcess()).finished


def interrupting(signalled: bool):
    def train(config, data, files, known_epochs, threads) -> Training:
        if files.checkpoint.parent.name == "0001":
            if signalled:
                os.kill(os.getpid(), signal.SIGTERM)
            raise KeyboardInterrupt
        files.weights.write_text("x")
        yield report(1, 0.5)
        return TrialOutcome(kind="trained")

    return train


@pytest.mark.parametrize("signalled", [False, True], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_search_leaves_nothing_running(
    elsewhere: Plan, monkeypatch: pytest.MonkeyPatch, signalled: bool
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("search.tuning.session.train_in_worker", interrupting(signalled))
    result = run(elsewhere, lambda *_: nullcontext(), InThisProcess())
    assert result.interrupted
    assert not result.finished
    assert [record.state for record in result.records] == ["COMPLETE", "WAITING"]
    assert read_best(elsewhere.folder / "best.yaml").trial == 0
    assert signal.getsignal(signal.SIGTERM) is before

    monkeypatch.setattr("search.tuning.session.train_in_worker", fake_training.train)
    continued = run(replace(elsewhere, continued=True), lambda *_: nullcontext(), InThisProcess())
    assert continued.finished
    assert [record.state for record in continued.records] == ["COMPLETE", "COMPLETE"]


def test_pictures_are_an_execution_option(elsewhere: Plan, first: Done) -> None:
    """They change no value, may be given to one run and not to the next, and stay where weights do not."""
    drawing = replace(elsewhere.options, execution=Execution(executor="local", pictures=1, keep=1))
    begun = run(
        replace(elsewhere, options=replace(drawing, budget=Budget(trials=1))), lambda *_: nullcontext(), InThisProcess()
    )
    assert begun.records[0].values == first.result.records[0].values
    plain = replace(elsewhere.options, execution=Execution(executor="local", keep=1))
    again = run(replace(elsewhere, options=plain, continued=True), lambda *_: nullcontext(), InThisProcess())
    assert [record.values for record in again.records] == [record.values for record in first.result.records]
    assert [entry["pictures"] for entry in read_runs(elsewhere.folder)] == [1, None]
    assert len(list(elsewhere.folder.glob("trials/*/best.safetensors"))) == 1
    pictures = [path.relative_to(elsewhere.folder).as_posix() for path in elsewhere.folder.glob("trials/*/pictures/*")]
    assert pictures == ["trials/0000/pictures/epoch-001.png"]
    remove(plan_removal(elsewhere.folder))
    assert not elsewhere.folder.exists()


def test_a_full_disk_ends_with_a_message(elsewhere: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("search.tuning.engine.write_config", full)
    with pytest.raises(StudyError, match=r"cannot be written: .*No space left.*(?s:.)*make room"):
        run(elsewhere, lambda *_: nullcontext(), InThisProcess())


def test_each_run_logs_to_its_own_file(elsewhere: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.tuning.session.train_in_worker", fake_training.train)
    handlers = list(logging.getLogger().handlers)
    run(elsewhere, lambda *_: logging.getLogger("third.party").warning("seen") or nullcontext(), InThisProcess())
    assert logging.getLogger().handlers == handlers
    text = (elsewhere.folder / "search.log").read_text()
    assert "WARNING third.party: seen" in text


def test_the_storage_of_the_last_run_has_the_trials(first: Done) -> None:
    study = open_study(storage_url(first.planned.folder, None), first.planned.folder.name)
    assert study.identity == first.planned.spec.identity_hash
