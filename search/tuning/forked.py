"""The other end of `search.tuning.fork_server`: the process that imports once, and what is forked of it.

`main` imports modules, then answers each connection to the listening socket with a fork that serves one object to the
other end: first a factory and its arguments, then one call after the other. The process ends when its standard input
does, that is with the process that started it; a fork ends with its connection.
"""

import faulthandler
import gc
import os
import pickle
import select
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

WATCHED_SECONDS = 0.5
"""How often a fork looks whether its connection still has another end."""

OOM_SCORE = Path("/proc/self/oom_score_adj")


class Begin(NamedTuple):
    """The first message: what the object is made of, environment variables to set before, a file for stderr."""

    factory: Callable[..., Any]
    arguments: tuple[Any, ...]
    environment: Mapping[str, str]
    stderr: str


class Call(NamedTuple):
    """One call: `function(object, *arguments)`."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Answer(NamedTuple):
    """What a call returned, or the exception that it raised."""

    value: Any = None
    error: Exception | None = None


def main(descriptor: int, modules: tuple[str, ...], folder: str) -> None:
    """Import, then fork for each connection until standard input ends; `folder` goes with this process."""
    faulthandler.enable()  # a crash of native code, in a fork too, leaves its stack on stderr
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
        try:
            forked = os.fork() == 0
        except OSError:  # no memory, or too many processes: told by the end of the connection
            traceback.print_exc()
            forked = False
        if forked:
            listener.close()
            _serve_and_leave(accepted)
        accepted.close()


def _serve_and_leave(accepted: socket.socket) -> None:
    """The life of a fork. Nothing of the process that it was forked of is cleaned up."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        threading.Thread(target=_leave_with, args=(accepted.dup(),), daemon=True).start()
        with suppress(OSError):
            OOM_SCORE.write_text(
                "1000"
            )  # where memory runs out, this process is the one to go: another takes its place
        with suppress(EOFError, ConnectionError):
            serve(Connection(accepted.detach()))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def _leave_with(peer: socket.socket) -> None:
    """End this process when the other end of the connection is closed, whatever it is doing."""
    while True:
        time.sleep(WATCHED_SECONDS)
        with suppress(BlockingIOError):
            if not peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                os._exit(0)


def serve(connection: Connection) -> None:
    """Answer calls until the other end is closed. An error of the factory is the answer to the first call."""
    begin: Begin = connection.recv()
    os.environ.update(begin.environment)
    with open(begin.stderr, "ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    made: list[Any] = []
    while True:
        call: Call = connection.recv()
        connection.send_bytes(_answer(begin, made, call))


def _answer(begin: Begin, made: list[Any], call: Call) -> bytes:
    """The pickled answer; what cannot be pickled is an error, too."""
    try:
        if not made:
            made.append(begin.factory(*begin.arguments))
        return pickle.dumps(Answer(value=call.function(made[0], *call.arguments)))
    except Exception as error:
        return pickle.dumps(Answer(error=_portable(error)))


def _portable(error: Exception) -> Exception:
    """`error` with its traceback as a note, or its text where it cannot be pickled."""
    text = "".join(traceback.format_exception(error))
    error.add_note(text)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(text)
    return error
