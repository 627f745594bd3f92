"""Objects in forks of a process that imported once."""

import os
import signal
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

    def sleep(self, seconds: float) -> float:
        time.sleep(seconds)
        return time.monotonic()

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

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
        if not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_an_object_keeps_its_state_between_calls(server: ForkServer) -> None:
    with server.start(Counter, 3) as counter:
        assert [counter.call("add", 1), counter.call("add", 2)] == [4, 6]
        assert counter.call("process") != os.getpid()


def test_each_object_has_a_process_and_an_environment_of_its_own(server: ForkServer) -> None:
    with (
        server.start(Counter, 0, environment={"CUDA_VISIBLE_DEVICES": "7"}) as first,
        server.start(Counter, 0) as second,
    ):
        assert at_once([first, second], "add", 1) == [1, 1]
        assert first.call("process") != second.call("process")
        assert first.call("environment", "CUDA_VISIBLE_DEVICES") == "7"
        assert second.call("environment", "CUDA_VISIBLE_DEVICES") == os.environ.get("CUDA_VISIBLE_DEVICES")


def test_calls_run_at_the_same_time(server: ForkServer) -> None:
    with server.start(Counter, 0) as first, server.start(Counter, 0) as second:
        at_once([first, second], "add", 0)
        began = time.monotonic()
        at_once([first, second], "sleep", 0.5)
        assert time.monotonic() - began < 0.9


def test_a_function_is_called_in_a_process_of_its_own(server: ForkServer) -> None:
    assert server.call(os.getpid) not in (os.getpid(), server.call(os.getpid))


def test_errors_come_back_as_they_are_and_the_object_lives_on(server: ForkServer) -> None:
    with server.start(Counter, -1) as wrong, pytest.raises(UserError, match="at 0 or above, got -1"):
        wrong.call("add", 1)
    with server.start(Counter, 1) as counter:
        with pytest.raises(TypeError) as error:
            counter.call("add", "one")
        assert "in add" in "".join(error.value.__notes__)
        assert counter.call("add", 1) == 2


def test_an_error_that_cannot_be_pickled_comes_back_as_its_text(server: ForkServer) -> None:
    with server.start(Counter, 0) as counter, pytest.raises(RuntimeError, match="OddError: leftright"):
        counter.call("fail_oddly")


def test_a_death_is_told_and_others_live_on(server: ForkServer) -> None:
    with server.start(Counter, 0) as dying, server.start(Counter, 0) as living:
        with pytest.raises(WorkerDiedError):
            dying.call("die")
        with pytest.raises(WorkerDiedError):
            dying.call("add", 1)
        assert living.call("add", 1) == 1


def test_a_fork_ends_with_its_connection_even_amid_a_call(server: ForkServer) -> None:
    fork = server.start(Counter, 0)
    process = fork.call("process")
    fork.begin("sleep", 60)
    fork.close()
    assert ends(process)


def test_the_server_leaves_nothing_behind() -> None:
    with ForkServer(modules=()) as server:
        folder, process = Path(server.address).parent, server.call(os.getppid)
    assert ends(process)
    assert not folder.exists()


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    starter = os.fork()
    if starter == 0:
        server = ForkServer(modules=())
        (tmp_path / "process").write_text(str(server.call(os.getppid)))
        (tmp_path / "folder").write_text(str(Path(server.address).parent))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(starter, 0)
    assert ends(int((tmp_path / "process").read_text()))
    assert not Path((tmp_path / "folder").read_text()).exists()


def test_what_keeps_the_server_from_starting_is_shown() -> None:
    with ForkServer(modules=("no_such_module",)) as server, pytest.raises(WorkerDiedError, match="no_such_module"):
        server.call(os.getpid)


def test_only_this_user_reaches_the_socket(server: ForkServer) -> None:
    assert Path(server.address).parent.stat().st_mode & 0o077 == 0
    assert Fork(server.address, Counter, 1).call("add", 1) == 2


def test_shared_values_are_read_without_copying_their_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    value = {"images": rng.integers(0, 255, (5, 7, 3), np.uint8), "more": [rng.random(9), np.zeros(0)], "text": "mars"}
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
