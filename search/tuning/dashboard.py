"""optuna-dashboard for one study, on the loopback address alone: it has no password."""

import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from search.errors import StudyError
from search.tuning.folder import ARTIFACTS_NAME
from search.tuning.reading import find_stored, lost_trials, study_name
from search.tuning.spec import FILE_NAME as SPEC_NAME
from search.tuning.spec import read_spec
from search.tuning.trial_folder import has_trials

HOST = "127.0.0.1"


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """Answers requests side by side: a browser holds several connections open. Ends when its study does."""

    daemon_threads = True
    check: Callable[[], None] | None = None

    def service_actions(self) -> None:
        """Called twice a second while it serves. Raises what the check does."""
        if self.check is not None:
            self.check()


class QuietHandler(WSGIRequestHandler):
    """Leaves out the line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A dashboard that listens; `address` opens its study in a browser."""

    name: str
    address: str
    server: WSGIServer

    def serve(self) -> None:
        """Answer requests until KeyboardInterrupt. Raises StudyError when the study is deleted."""
        self.server.serve_forever()


@contextmanager
def open_dashboard(folder: Path, port: int, url: str | None = None, *, draw: bool = True) -> Iterator[Dashboard]:
    """Listen on 127.0.0.1:`port`, 0 for any free port. Raises StudyError where that is not possible.

    With `draw`, another process makes pictures and costs that the study lacks while the block runs.
    """
    if not 0 <= port < 2**16:
        raise StudyError(f"--port is a number from 0 to {2**16 - 1}, got {port}")
    begun = has_trials(folder)  # first: see `all_trials`
    stored, spec = find_stored(folder, url), read_spec(folder)
    if stored is None and begun:
        raise lost_trials(folder, url)
    if stored is None or spec is None:
        raise StudyError(f"the storage of {study_name(folder)} holds no trial yet; wait until its search has begun")
    study_id = stored.storage.get_study_id_from_name(stored.name)
    with ExitStack() as stack:
        server = stack.enter_context(listen(port))
        from optuna_dashboard import wsgi  # here: it takes seconds, and a port in use is told at once

        from search.tuning.board.drawing import drawing
        from search.tuning.board.guard import guarded
        from search.tuning.board.pages import Pages
        from search.tuning.board.view import BoardArtifacts, BoardStorage

        pages = Pages(folder, stored.name, spec)
        shown = BoardStorage(stored.storage, study_id, pages)
        app = wsgi(shown, artifact_store=BoardArtifacts(shown, folder / ARTIFACTS_NAME))
        server.set_app(guarded(app, study_id))
        server.check = still_there(folder)
        if draw:
            stack.enter_context(drawing(shown, pages))
        address = f"http://{HOST}:{server.server_port}/dashboard/studies/{study_id}"
        yield Dashboard(name=stored.name, address=address, server=server)


def still_there(folder: Path) -> Callable[[], None]:
    """A check that raises StudyError once the study is no longer in its folder."""

    def check() -> None:
        if not (folder / SPEC_NAME).is_file():
            raise StudyError(f"{folder} is gone: its study was deleted or moved, and the dashboard has ended")

    return check


def listen(port: int) -> ThreadingServer:
    """A server that holds its port and has nothing to serve yet."""
    try:
        return ThreadingServer((HOST, port), QuietHandler)
    except OSError as error:
        reasons = {errno.EADDRINUSE: "is in use", errno.EACCES: "needs more rights than you have"}
        reason = reasons.get(error.errno or 0, f"cannot be used: {error.strerror}")
        raise StudyError(f"port {port} of {HOST} {reason}; choose another with --port, 0 for any free one") from error
