"""What a tracker is told: every epoch once, whatever is interrupted, crashes or fails."""

import shutil
import threading
from pathlib import Path

import pytest

from search.errors import StudyError
from search.tracking import feed
from search.tracking.journal import Journal
from search.tracking.tracker import MIOU, TrackedStudy, trial_settings
from search.tuning.events import TrialEnded
from tests.tracking.recorder import Recorder, Server
from tests.tracking.searches import notices, records, search
from tests.tuning.made_up import spec

NAMES = ("recorder",)


@pytest.fixture
def server() -> Server:
    return Server()


def check_same(server: Server, folder: Path) -> None:
    """Each trial that trained has one run with each of its epochs once, in order."""
    trained = [record for record in records(folder) if record.values]
    assert {run.trial.number for run in server.runs.values()} == {record.number for record in trained}
    for record in trained:
        run = server.run(record.number)
        assert run.epochs == sorted(record.values)
        assert [run.values[epoch][MIOU] for epoch in run.epochs] == [record.values[epoch] for epoch in run.epochs]


def test_every_trial_is_told_as_the_study_knows_it(tmp_path: Path, server: Server) -> None:
    events = search(tmp_path, NAMES, server.recorder, trials=5)
    check_same(server, tmp_path)
    first = records(tmp_path)[0]
    run = server.run(0)
    assert (run.trial.name, run.trial.origin) == ("trial 0", "default")
    assert run.trial.settings == trial_settings(first.config)
    assert run.trial.settings["model.width"] == 16
    assert run.values[1] == {
        "validation/mIoU": first.values[1],
        "validation/IoU background": 0.0,
        "validation/IoU soil": 0.5,
        "validation/IoU rock": 0.5,
        "training/loss": 1.0,
        "training/learning_rate": 0.1,
        "seconds": 0.01,
    }
    endings = {record.number: server.run(record.number).endings for record in records(tmp_path)}
    kinds = {"COMPLETE": "complete", "PRUNED": "pruned"}
    assert {number: [ending.kind for ending in told] for number, told in endings.items()} == {
        record.number: [kinds[record.state]] for record in records(tmp_path)
    }
    assert endings[0][0].best == first.best_value
    assert (server.studies, server.closed) == (["study"], 1)
    assert notices(events, warning=False) == ["tracked by recorder: the tests"]


def test_a_search_that_goes_on_repeats_nothing(tmp_path: Path, server: Server) -> None:
    (tmp_path / "fault-1").write_text("disk 4 1")
    with pytest.raises(StudyError, match="No space"):
        search(tmp_path, NAMES, server.recorder, trials=3, grace_epochs=9)
    assert [ending.kind for ending in server.run(1).endings] == ["to be continued"]
    assert server.run(1).epochs == [1, 2, 3]
    search(tmp_path, NAMES, server.recorder, trials=3, grace_epochs=9)
    check_same(server, tmp_path)
    assert [ending.kind for ending in server.run(1).endings] == ["to be continued", "complete"]
    assert [server.run(number).opened for number in range(3)] == [1, 2, 1]
    assert server.studies == ["study"]


def test_a_trial_that_crashed_and_was_tried_again_is_one_run(tmp_path: Path, server: Server) -> None:
    (tmp_path / "fault-0").write_text("error 3 1")
    (tmp_path / "fault-1").write_text("error 1 9")
    (tmp_path / "fault-2").write_text("nan 2 1")
    search(tmp_path, NAMES, server.recorder, trials=3, grace_epochs=9)
    assert server.run(0).epochs == list(range(1, 10))
    assert (server.run(0).opened, [e.kind for e in server.run(0).endings]) == (1, ["complete"])
    failed = server.run(1)
    assert (failed.epochs, [e.kind for e in failed.endings]) == ([], ["failed"])
    assert "a bug in the model" in failed.endings[0].reason
    assert (server.run(2).epochs, [e.kind for e in server.run(2).endings]) == ([1], ["failed"])


def test_trials_from_before_are_told_at_the_next_start(tmp_path: Path, server: Server) -> None:
    """Also those that a tracker missed because it failed."""
    search(tmp_path, (), server.recorder, trials=2)
    assert not server.runs
    search(tmp_path, NAMES, server.recorder, trials=4)
    check_same(server, tmp_path)
    known = {name: list(run.epochs) for name, run in server.runs.items()}
    search(tmp_path, NAMES, server.recorder, trials=4)
    assert {name: run.epochs for name, run in server.runs.items()} == known
    assert all(run.opened == len(run.endings) == 1 for run in server.runs.values())


def test_a_tracker_that_fails_warns_once_and_ends_nothing(tmp_path: Path, server: Server) -> None:
    server.fails_at = 2
    events = search(tmp_path, NAMES, server.recorder, trials=4)
    assert len([event for event in events if isinstance(event, TrialEnded)]) == 4
    assert notices(events, warning=True) == [
        "warning: --track recorder has stopped: the server is gone\n"
        "The search goes on without it; the next run with it sends what is missing (details are in search.log)"
    ]
    assert server.closed == 1
    server.fails_at = None
    search(tmp_path, NAMES, server.recorder, trials=4)
    check_same(server, tmp_path)


def test_a_tracker_that_cannot_begin_ends_nothing(tmp_path: Path) -> None:
    def build(name: str, study: TrackedStudy) -> Recorder:
        raise OSError("no route")

    events = search(tmp_path, NAMES, build, trials=2)
    assert [text.splitlines()[0] for text in notices(events, warning=True)] == [
        "warning: --track recorder has stopped: no route"
    ]


def test_one_whose_journal_cannot_be_written_is_closed(tmp_path: Path, server: Server) -> None:
    (tmp_path / "tracking").write_text("no folder")
    events = search(tmp_path, NAMES, server.recorder, trials=1)
    (warning,) = notices(events, warning=True)
    assert warning.startswith("warning: --track recorder has stopped: ")
    assert server.closed == 1


def test_earlier_trials_are_told_from_their_records(tmp_path: Path, server: Server) -> None:
    """Their folders may be gone."""
    search(tmp_path, (), server.recorder, trials=2)
    shutil.rmtree(tmp_path / "trials")
    search(tmp_path, NAMES, server.recorder, trials=2)
    check_same(server, tmp_path)


def test_what_was_told_is_not_kept(tmp_path: Path, server: Server) -> None:
    search(tmp_path, NAMES, server.recorder, trials=2)
    recorder = Recorder(server, "recorder")
    journal = Journal(tmp_path / "tracking/recorder.jsonl", recorder.place)
    feeding = feed.Feed(recorder, journal, tmp_path, spec())
    for record in records(tmp_path):
        feeding.catch_up(record)
    assert feeding._reports == {}
    check_same(server, tmp_path)


def test_one_that_hangs_is_left_behind(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PATIENCE", 0.05)
    release = threading.Event()

    class Hangs(Recorder):
        def log(self, number, epoch, values) -> None:
            release.wait(30)

    events = search(tmp_path, NAMES, lambda name, _: Hangs(server, name), trials=1)
    release.set()
    assert notices(events, warning=True) == ["warning: --track recorder is not done; the next run sends the rest"]


def test_several_trackers_do_not_disturb_each_other(tmp_path: Path, server: Server) -> None:
    broken = Server(fails_at=1)

    def build(name: str, study: TrackedStudy) -> Recorder:
        return (broken if name == "broken" else server).recorder(name, study)

    events = search(tmp_path, ("broken", "recorder", "recorder"), build, trials=2)
    check_same(server, tmp_path)
    assert len(notices(events, warning=True)) == 1


def test_another_place_begins_anew(tmp_path: Path, server: Server) -> None:
    search(tmp_path, NAMES, server.recorder, trials=2)
    elsewhere = Server()

    def build(name: str, study: TrackedStudy) -> Recorder:
        recorder = elsewhere.recorder(name, study)
        recorder.place = "another server"
        return recorder

    search(tmp_path, NAMES, build, trials=2)
    check_same(elsewhere, tmp_path)


def test_a_torn_journal_line_is_left_out(tmp_path: Path, server: Server) -> None:
    search(tmp_path, NAMES, server.recorder, trials=1)
    with (tmp_path / "tracking/recorder.jsonl").open("a") as file:
        file.write('{"trial": 0, "ep')
    search(tmp_path, NAMES, server.recorder, trials=2)
    check_same(server, tmp_path)


def test_refused_trials_are_not_told(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.contracts.fake_training.admit", lambda c: "too wide" if c.model.width == 24 else None)
    search(tmp_path, NAMES, server.recorder, trials=2)
    refused = [record.number for record in records(tmp_path) if record.refused]
    assert refused
    assert not {run.trial.number for run in server.runs.values()} & set(refused)
