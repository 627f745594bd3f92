"""The other end of `search.tuning.fork_server`: the process that imports once, and what is forked of it.

`main` imports modules, then answers each connection to the listening socket with a fork that serves one
object to the other end: first a factory and its arguments, then one call of a method after the other. The process ends
when its standard input does, that is with the process that started it; a fork ends with its connection.
"""

import gc
import os
import pickle
import select
import shutil
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, NamedTuple


class Begin(NamedTuple):
    """The first message: what the object is made of, and environment variables to set before."""

    factory: Callable[..., Any]
    arguments: tuple[Any, ...]
    environment: Mapping[str, str]


class Call(NamedTuple):
    """One call of the object."""

    method: str
    arguments: tuple[Any, ...]


class Answer(NamedTuple):
    """What a call returned, or the exception that it raised."""

    value: Any = None
    error: Exception | None = None


def main(descriptor: int, modules: tuple[str, ...], folder: str) -> None:
    """Import, then fork for each connection until standard input ends; `folder` goes with this process."""
    listener = socket.socket(fileno=descriptor)
    for module in modules:
        import_module(module)
    gc.freeze()  # forks collect what is theirs alone: it is quicker, and the memory stays shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    while True:
        ready, _, _ = select.select([sys.stdin, listener], [], [])
        if sys.stdin in ready:
            shutil.rmtree(folder, ignore_errors=True)  # the process that started this one was killed
            return
        accepted, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _serve_and_leave(Connection(accepted.detach()))
        accepted.close()


def _serve_and_leave(connection: Connection) -> None:
    """The life of a fork. Nothing of the process that it was forked of is cleaned up."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        threading.Thread(target=_leave_with, args=(connection.fileno(),), daemon=True).start()
        with suppress(EOFError, ConnectionError):
            serve(connection)
    finally:
        os._exit(0)


def _leave_with(descriptor: int) -> None:
    """End this process when the other end of the connection is closed, whatever it is doing."""
    poll = select.poll()
    poll.register(descriptor, 0)  # hang-ups are always reported
    poll.poll()
    os._exit(0)


def serve(connection: Connection) -> None:
    """Answer calls until the other end is closed. An error of the factory is the answer to the first call."""
    begin: Begin = connection.recv()
    os.environ.update(begin.environment)
    made: list[Any] = []
    while True:
        call: Call = connection.recv()
        connection.send(_answer(begin, made, call))


def _answer(begin: Begin, made: list[Any], call: Call) -> Answer:
    try:
        if not made:
            made.append(begin.factory(*begin.arguments))
        return Answer(value=getattr(made[0], call.method)(*call.arguments))
    except Exception as error:
        return Answer(error=_portable(error))


def _portable(error: Exception) -> Exception:
    """`error` with its traceback as a note, or its text where it cannot be pickled."""
    text = "".join(traceback.format_exception(error))
    error.add_note(text)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(text)
    return error
