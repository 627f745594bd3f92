"""Processes that have torch without importing it: forks of one process that did.

Importing torch and what trials need takes ten seconds of a core here. One process does so for a search, while data are
read and Ray starts; the probe and all workers are forked of it in milliseconds, and share its memory. The process of
the search itself never imports torch. Needs `os.fork`: Linux or macOS.
"""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from multiprocessing.connection import Client
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from search.tuning.forked import Answer, Begin, Call
from search.tuning.shared import write_shared

MODULES = ("search.training.loop", "models.cost")
"""What is imported before the first fork: all that a trial and the probe need."""

WAITING_CONNECTIONS = 1024
STDERR_SHOWN = 2000


class WorkerDiedError(ConnectionError):
    """A process ended without an answer: the fork, or the server; the message shows the end of their stderr."""

    def __init__(self, address: str) -> None:
        stderr = _stderr_of(address).read_text(errors="replace")[-STDERR_SHOWN:].strip()
        super().__init__(f"the worker process died{f'; the end of its stderr:{chr(10)}{stderr}' if stderr else ''}")


class ForkServer:
    """The process that forks. Its socket lies in a folder that only this user can enter."""

    def __init__(self, modules: tuple[str, ...] = MODULES) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="segtune-")
        self.address = str(Path(self._folder.name) / "socket")
        self._count = count()
        with socket.socket(socket.AF_UNIX) as listener, _stderr_of(self.address).open("wb") as errors:
            listener.bind(self.address)
            listener.listen(WAITING_CONNECTIONS)
            listener.set_inheritable(True)
            descriptor = listener.fileno()
            arguments = (descriptor, modules, self._folder.name)
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from search.tuning.forked import main; main{arguments!r}"],
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
                pass_fds=[descriptor],
                start_new_session=True,  # Ctrl-C is for the search alone
            )

    def start(
        self, factory: Callable[..., Any], *arguments: Any, environment: Mapping[str, str] | None = None
    ) -> "Fork":
        """An object in a process of its own."""
        return Fork(self.address, factory, *arguments, environment=environment)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function returns in a process of its own."""
        with self.start(partial, function, *arguments) as fork:
            return fork.call("__call__")

    def share(self, value: Any) -> str:
        """The path of a file with `value` for `read_shared`; it stays as long as the server."""
        path = Path(self._folder.name) / f"value-{next(self._count)}"
        write_shared(value, path)
        return str(path)

    def close(self) -> None:
        """End the server. Forks live on until their connections are closed."""
        self._process.kill()  # it owns nothing, and may be amid its imports
        self._process.communicate()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Fork:
    """An object in a forked process: `factory(*arguments)`, made at the first call.

    Factory, arguments and results are pickled, functions and classes by name. Every method raises WorkerDiedError
    where the process, or the server before it has forked, ends.
    """

    def __init__(
        self,
        address: str,
        factory: Callable[..., Any],
        *arguments: Any,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._address = address
        try:
            self._connection = Client(address, family="AF_UNIX")
            self._connection.send(Begin(factory, arguments, environment or {}))
        except ConnectionError as error:
            raise WorkerDiedError(address) from error

    def begin(self, method: str, *arguments: Any) -> None:
        """Call a method; `result` waits for it."""
        try:
            self._connection.send(Call(method, arguments))
        except ConnectionError as error:
            raise WorkerDiedError(self._address) from error

    def result(self) -> Any:
        """What the call returned. Raises what it raised."""
        try:
            answer: Answer = self._connection.recv()
        except (EOFError, ConnectionError) as error:
            raise WorkerDiedError(self._address) from error
        if answer.error is not None:
            raise answer.error
        return answer.value

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method and wait for its result."""
        self.begin(method, *arguments)
        return self.result()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _stderr_of(address: str) -> Path:
    """Where the server at `address` and all its forks write their stderr."""
    return Path(address).with_name("stderr")


def at_once(forks: Sequence[Fork], method: str, *arguments: Any) -> list[Any]:
    """Call a method of all at the same time, and wait for all results. Raises the first error."""
    for fork in forks:
        fork.begin(method, *arguments)
    return [fork.result() for fork in forks]
