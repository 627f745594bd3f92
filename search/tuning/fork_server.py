"""Processes that have torch without importing it: forks of one process that did.

Importing torch and what trials need takes seconds of a core. One process does so for a search, while data are read and
Ray starts; the probe and all workers are forked of it in milliseconds, and share its memory. The process of the search
itself does not import torch. Needs `os.fork`: Linux or macOS.
"""

import os
import socket
import subprocess
import sys
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import count
from multiprocessing.connection import Client
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

from search.errors import UserError
from search.tuning.forked import Answer, Begin, Call
from search.tuning.shared import write_shared

MODULES = ("search.training.loop", "models.cost")
"""What is imported before the first fork: all that a trial and the probe need."""

WAITING_CONNECTIONS = 1024
STDERR_SHOWN = 2000
LONGEST_TEMPORARY = 70
"""Characters of a temporary folder in which a socket has place: its path may have 103 in all on macOS."""

SERVER_STDERR = "stderr"


class WorkerDiedError(ConnectionError):
    """A process ended without an answer: the fork, or the server; the message shows the end of its stderr."""


class Closable(AbstractContextManager):
    """What is closed at the end of a `with` block."""

    @abstractmethod
    def close(self) -> None:
        """End it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ForkServer(Closable):
    """The process that forks. Its socket lies in a folder that only this user can enter."""

    def __init__(self, modules: tuple[str, ...] = MODULES) -> None:
        self._folder = _temporary_folder()
        self._count = count()
        self.address = str(Path(self._folder.name) / "socket")
        errors = Path(self._folder.name) / SERVER_STDERR
        with socket.socket(socket.AF_UNIX) as listener, errors.open("wb") as stderr:
            listener.bind(self.address)
            listener.listen(WAITING_CONNECTIONS)
            listener.set_inheritable(True)
            arguments = (listener.fileno(), modules, self._folder.name)
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from search.tuning.forked import main; main{arguments!r}"],
                stdin=subprocess.PIPE,
                stdout=stderr,
                stderr=stderr,
                pass_fds=[listener.fileno()],
                env={**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1"},  # read at the import
                start_new_session=True,  # Ctrl-C is for the search alone
            )

    def can_fork(self) -> bool:
        """Try it: a process that was killed a moment ago may still be listed, and its socket be open."""
        try:
            self.call(tuple)
        except WorkerDiedError:
            return False
        return True

    @property
    def stderr(self) -> str:
        """The end of what it wrote there: why it died, where that is known."""
        return _end_of(Path(self._folder.name) / SERVER_STDERR)

    def start(
        self, factory: Callable[..., Any], *arguments: Any, environment: Mapping[str, str] | None = None
    ) -> "Fork":
        """An object in a process of its own."""
        return Fork(self.address, factory, *arguments, environment=environment)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function returns in a process of its own."""
        with self.start(tuple) as fork:
            return fork.call(_called, function, *arguments)

    def share(self, value: Any) -> str:
        """The path of a file with `value` for `read_shared`; it stays as long as the server. Raises UserError."""
        path = Path(self._folder.name) / f"value-{next(self._count)}"
        try:
            write_shared(value, path)
        except OSError as error:
            raise UserError(
                f"the data for the workers cannot be written to {tempfile.gettempdir()} ({error.strerror}): make room "
                "there, or set TMPDIR to another folder"
            ) from error
        return str(path)

    def close(self) -> None:
        """End the server; it may be closed already. Forks live on until their connections are closed."""
        self._process.kill()  # it owns nothing, and may be amid its imports
        self._process.communicate()
        self._folder.cleanup()


class Fork(Closable):
    """An object in a forked process: `factory(*arguments)`, made at the first call.

    Factory, functions, arguments and results are pickled, functions and classes by name. Every method raises
    WorkerDiedError where the process, or the server before it has forked, ends.
    """

    def __init__(
        self,
        address: str,
        factory: Callable[..., Any],
        *arguments: Any,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._stderr = Path(address).with_name(f"stderr-{uuid4().hex}")
        try:
            self._connection = Client(address, family="AF_UNIX")
            self._connection.send(Begin(factory, arguments, environment or {}, str(self._stderr)))
        except OSError as error:
            raise self._death() from error

    def begin(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call `function(object, *arguments)`, such as a method of its class; `result` waits for it."""
        try:
            self._connection.send(Call(function, arguments))
        except OSError as error:
            raise self._death() from error

    def result(self) -> Any:
        """What the call returned. Raises what it raised."""
        try:
            answer: Answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error
        if answer.error is not None:
            raise answer.error
        return answer.value

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call and wait for the result."""
        self.begin(function, *arguments)
        return self.result()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._connection.close()

    def _death(self) -> WorkerDiedError:
        """The error that tells of it; without a stderr of its own the process was never forked."""
        stderr = _end_of(self._stderr if self._stderr.is_file() else self._stderr.with_name(SERVER_STDERR))
        return WorkerDiedError(f"the worker process died{stderr}")


def at_once(forks: Sequence[Fork], function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call `function` with the objects of all at the same time, and wait for all results. Raises the first error."""
    for fork in forks:
        fork.begin(function, *arguments)
    return [fork.result() for fork in forks]


def _end_of(stderr: Path) -> str:
    """The end of a file, as the end of a message; nothing where it is empty or gone."""
    text = stderr.read_text(errors="replace")[-STDERR_SHOWN:].strip() if stderr.is_file() else ""
    return f"; the end of its stderr:\n{text}" if text else ""


def _called(_: object, function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder whose path is short enough for a socket in it. Raises UserError."""
    try:
        base = tempfile.gettempdir()
        if len(base) > LONGEST_TEMPORARY:
            raise UserError(
                f"the folder for temporary files, {base}, has {len(base)} characters, and a socket in it allows "
                f"{LONGEST_TEMPORARY}: set TMPDIR to a shorter one"
            )
        return tempfile.TemporaryDirectory(prefix="segtune-", dir=base)
    except OSError as error:
        raise UserError(f"no temporary folder can be written ({error}); set TMPDIR to one that can") from error
