"""optuna-dashboard for one study, on the loopback address alone: it has no password, and can delete studies."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from search.errors import StudyError
from search.tuning.reading import find_stored, study_name

HOST = "127.0.0.1"


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """Answers requests side by side: a browser holds several connections open."""

    daemon_threads = True


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
        """Answer requests until interrupted."""
        try:
            self.server.serve_forever()
        except KeyboardInterrupt:
            return


@contextmanager
def open_dashboard(folder: Path, port: int, url: str | None = None) -> Iterator[Dashboard]:
    """Listen on 127.0.0.1:`port`, 0 for any free port. Raises StudyError where that is not possible."""
    if not 0 <= port < 2**16:
        raise StudyError(f"--port is a number from 0 to {2**16 - 1}, got {port}")
    stored = find_stored(folder, url)
    if stored is None:
        raise StudyError(f"the storage of {study_name(folder)} holds no trial yet; wait until its search has begun")
    study_id = stored.storage.get_study_id_from_name(stored.name)
    with listen(port) as server:
        from optuna_dashboard import wsgi  # here: it takes seconds, and a port in use is told at once

        server.set_app(wsgi(stored.storage))
        address = f"http://{HOST}:{server.server_port}/dashboard/studies/{study_id}"
        yield Dashboard(name=stored.name, address=address, server=server)


def listen(port: int) -> WSGIServer:
    """A server that holds its port and has nothing to serve yet."""
    try:
        return ThreadingServer((HOST, port), QuietHandler)
    except OSError as error:
        reasons = {errno.EADDRINUSE: "is in use", errno.EACCES: "needs more rights than you have"}
        reason = reasons.get(error.errno or 0, f"cannot be used: {error.strerror}")
        raise StudyError(f"port {port} of {HOST} {reason}; choose another with --port, 0 for any free one") from error
