"""Objects in forks of a process that imported once."""

import errno
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from search.errors import UserError
from search.tuning.fork_server import Fork, ForkServer, WorkerDiedError, at_once
from search.tuning.shared import read_shared, write_shared


class Counter:
    """An object that lives in a fork."""

    def __init__(self, start: int) -> None:
        if start < 0:
            raise UserError(f"a counter starts at 0 or above, got {start}")
        self.count = start

    def add(self, more: int) -> int:
        self.count += more
        return self.count

    def process(self) -> int:
        return os.getpid()

    def environment(self, name: str) -> str | None:
        return os.environ.get(name)

    def sleep(self, seconds: float) -> tuple[float, float]:
        began = time.monotonic()
        time.sleep(seconds)
        return began, time.monotonic()

    def die(self, words: str) -> None:
        print(words, file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def lock(self) -> threading.Lock:
        return threading.Lock()

    def leave(self) -> None:
        raise SystemExit("left without an answer")

    def fail_oddly(self) -> None:
        raise OddError("left", "right")


class OddError(Exception):
    """An error that cannot be pickled: it is made of two arguments and keeps one."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(left + right)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer(modules=("json",)) as started:
        yield started


def ends(process: int, seconds: float = 10) -> bool:
    """Whether a process ends in time; one that waits to be reaped has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_an_object_keeps_its_state_between_calls(server: ForkServer) -> None:
    with server.start(Counter, 3) as counter:
        assert [counter.call(Counter.add, 1), counter.call(Counter.add, 2)] == [4, 6]
        assert counter.call(Counter.process) != os.getpid()


def test_each_object_has_a_process_and_an_environment_of_its_own(server: ForkServer) -> None:
    with (
        server.start(Counter, 0, environment={"CUDA_VISIBLE_DEVICES": "7"}) as first,
        server.start(Counter, 0) as second,
    ):
        assert at_once([first, second], Counter.add, 1) == [1, 1]
        assert first.call(Counter.process) != second.call(Counter.process)
        assert first.call(Counter.environment, "CUDA_VISIBLE_DEVICES") == "7"
        assert second.call(Counter.environment, "CUDA_VISIBLE_DEVICES") == os.environ.get("CUDA_VISIBLE_DEVICES")


def test_calls_run_at_the_same_time(server: ForkServer) -> None:
    with server.start(Counter, 0) as first, server.start(Counter, 0) as second:
        at_once([first, second], Counter.add, 0)
        (began, ended), (other_began, other_ended) = at_once([first, second], Counter.sleep, 0.5)
        assert max(began, other_began) < min(ended, other_ended)


def test_a_function_is_called_in_a_process_of_its_own(server: ForkServer) -> None:
    assert server.call(os.getpid) not in (os.getpid(), server.call(os.getpid))


def test_errors_come_back_as_they_are_and_the_object_lives_on(server: ForkServer) -> None:
    with server.start(Counter, -1) as wrong, pytest.raises(UserError, match="at 0 or above, got -1"):
        wrong.call(Counter.add, 1)
    with server.start(Counter, 1) as counter:
        with pytest.raises(TypeError) as error:
            counter.call(Counter.add, "one")
        assert "in add" in "".join(error.value.__notes__)
        assert counter.call(Counter.add, 1) == 2


def test_an_error_that_cannot_be_pickled_comes_back_as_its_text(server: ForkServer) -> None:
    with server.start(Counter, 0) as counter, pytest.raises(RuntimeError, match="OddError: leftright"):
        counter.call(Counter.fail_oddly)


def test_a_death_is_told_and_others_live_on(server: ForkServer) -> None:
    with server.start(Counter, 0) as dying, server.start(Counter, 0) as living:
        with pytest.raises(WorkerDiedError, match=r"^the worker process died; the end of its stderr:\nits last words$"):
            dying.call(Counter.die, "its last words")
        with pytest.raises(WorkerDiedError):
            dying.call(Counter.add, 1)
        assert living.call(Counter.add, 1) == 1


def test_what_cannot_be_sent_back_is_an_error_and_the_object_lives_on(server: ForkServer) -> None:
    with server.start(Counter, 0) as counter:
        with pytest.raises(TypeError, match="pickle"):
            counter.call(Counter.lock)
        assert counter.call(Counter.add, 1) == 1


def test_a_process_that_leaves_says_why(server: ForkServer) -> None:
    with server.start(Counter, 0) as counter, pytest.raises(WorkerDiedError, match="left without an answer"):
        counter.call(Counter.leave)


def test_the_error_of_a_death_reaches_other_processes() -> None:
    error = pickle.loads(pickle.dumps(WorkerDiedError("the worker process died")))
    assert (type(error), str(error)) == (WorkerDiedError, "the worker process died")


def test_where_memory_runs_out_forks_go_first(server: ForkServer) -> None:
    scores = Path("/proc/self/oom_score_adj")
    if not scores.exists():
        pytest.skip("Linux alone has it")
    assert server.call(scores.read_text).strip() == "1000"


def test_a_fork_ends_with_its_connection_even_amid_a_call(server: ForkServer) -> None:
    fork = server.start(Counter, 0)
    process = fork.call(Counter.process)
    fork.begin(Counter.sleep, 60)
    fork.close()
    assert ends(process)


def test_the_server_leaves_nothing_behind() -> None:
    with ForkServer(modules=()) as server:
        folder, process = Path(server.address).parent, server.call(os.getppid)
    assert ends(process)
    assert not folder.exists()


STARTER = """
import os, signal
from search.tuning.fork_server import ForkServer
server = ForkServer(modules=())
print(server.address, server.call(os.getppid), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_server_ends_with_the_process_that_started_it() -> None:
    starter = subprocess.run([sys.executable, "-c", STARTER], capture_output=True, text=True, check=False)
    assert starter.returncode == -signal.SIGKILL, starter.stderr
    address, process = starter.stdout.split()
    assert ends(int(process))
    assert not Path(address).parent.exists()


def test_a_server_may_be_closed_twice() -> None:
    with ForkServer(modules=()) as server:
        assert server.can_fork()
        server.close()
        assert not server.can_fork()


def test_a_temporary_folder_too_long_for_a_socket_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", f"/{'long' * 30}")
    with pytest.raises(UserError, match="has 121 characters, and a socket in it allows 70: set TMPDIR to a shorter"):
        ForkServer(modules=())


def test_a_temporary_folder_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    with pytest.raises(UserError, match=r"no temporary folder can be written .* set TMPDIR"):
        ForkServer(modules=())


def test_a_full_temporary_folder_is_told(server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("search.tuning.fork_server.write_shared", full)
    with pytest.raises(UserError, match=r"No space left on device.*TMPDIR"):
        server.share(1)


def test_what_keeps_the_server_from_starting_is_shown() -> None:
    with ForkServer(modules=("no_such_module",)) as server, pytest.raises(WorkerDiedError, match="no_such_module"):
        server.call(os.getpid)


def test_only_this_user_reaches_the_socket(server: ForkServer) -> None:
    assert Path(server.address).parent.stat().st_mode & 0o077 == 0
    assert Fork(server.address, Counter, 1).call(Counter.add, 1) == 2


def test_shared_values_are_read_without_copying_their_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (5, 7, 3), np.uint8)
    more = [rng.random(9), np.zeros(0), images[::2, ::-1], np.asfortranarray(rng.random((3, 4)))]
    value = {"images": images, "more": more, "text": "mars"}
    write_shared(value, tmp_path / "value")
    read = read_shared(tmp_path / "value")
    assert read["text"] == "mars"
    for one, other in zip([value["images"], *value["more"]], [read["images"], *read["more"]], strict=True):
        np.testing.assert_array_equal(one, other)
        assert other.dtype == one.dtype
    assert not read["images"].flags.writeable
    assert not read["images"].flags.owndata
    assert read["more"][0].ctypes.data % 64 == 0


def test_a_shared_value_reaches_a_fork(server: ForkServer) -> None:
    path = server.share(np.arange(6))
    np.testing.assert_array_equal(server.call(read_shared, Path(path)), np.arange(6))
    assert server.share(1) != path
