"""The real dashboard in a process of its own, asked over the loopback address."""

import json
import re
import shutil
import signal
import socket
from pathlib import Path
from urllib.error import HTTPError

import pytest

from search.dashboard import main
from tests.commands.dashboards import dashboard, get
from tests.commands.studies import Commands, records_of


def test_the_dashboard_shows_the_study_and_ends_with_ctrl_c(results: Path):
    with dashboard(results, "--no-pictures") as (process, line):
        found = re.fullmatch(r"mars: (http://127\.0\.0\.1:\d+)(/dashboard/studies/\d+)  \(Ctrl-C .*\)\n", line)
        assert found is not None, line
        root, page = found.groups()
        assert b"<title>Optuna Dashboard</title>" in get(root + "/")
        assert b"<title>Optuna Dashboard</title>" in get(root + page)
        assert [study["study_name"] for study in json.loads(get(f"{root}/api/studies"))["study_summaries"]] == ["mars"]
        detail = json.loads(get(f"{root}/api/studies/{page.rpartition('/')[2]}"))
        records = records_of(results / "mars")
        assert [trial["number"] for trial in detail["trials"]] == [record.number for record in records]
        assert {trial["state"] for trial in detail["trials"]} == {"Complete", "Pruned"}
        assert all("Best validation mIoU" in trial["note"]["body"] for trial in detail["trials"])
        last = detail["trials"][-1]
        figure = get(f"{root}/artifacts/{last['study_id']}/{last['trial_id']}/{last['artifacts'][0]['artifact_id']}")
        assert figure.startswith(b"<svg ")
        with pytest.raises(HTTPError):
            get(f"{root}/api/studies/99")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""


def test_it_ends_cleanly_when_terminated(results: Path):
    with dashboard(results, "--no-pictures") as (process, line):
        assert line.startswith("mars: ")
        process.terminate()
        assert process.wait(timeout=20) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""


def test_it_ends_when_its_study_is_deleted(folder: Path):
    with dashboard(folder.parent, "--no-pictures") as (process, line):
        assert line.startswith("mars: ")
        shutil.rmtree(folder)
        assert process.wait(timeout=20) == 2
        assert process.stdout is not None
        assert process.stdout.read() == (
            f"error: {folder} is gone: its study was deleted or moved, and the dashboard has ended\n"
        )


def test_a_port_in_use_says_what_to_do(commands: Commands, results: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert commands.run(main, "mars", "--results", results, "--port", port) == 2
    assert commands.err == (
        f"error: port {port} of 127.0.0.1 is in use; choose another with --port, 0 for any free one\n"
    )


def test_a_port_out_of_range(commands: Commands, results: Path):
    assert commands.run(main, "mars", "--results", results, "--port", 65536) == 2
    assert commands.err == "error: --port is a number from 0 to 65535, got 65536\n"


def test_a_study_before_its_first_trial(commands: Commands, folder: Path):
    for path in folder.glob("study.db*"):
        path.unlink()
    shutil.rmtree(folder / "trials")
    assert commands.run(main, folder, "--port", 0) == 2
    assert commands.err == "error: the storage of mars holds no trial yet; wait until its search has begun\n"


def test_a_storage_without_the_trials(commands: Commands, folder: Path):
    url = f"journal://{folder.parent / 'typo.log'}"
    assert commands.run(main, folder, "--port", 0, "--storage", url) == 2
    assert commands.err == (
        f"error: {folder} holds the files of trials, and the storage {url} knows none of them; give the storage of its "
        "search with --storage, or bring it back\n"
    )
