"""The real dashboard in a process of its own, asked over the loopback address."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

BROWSER = build_opener(ProxyHandler({}))  # a proxy of the environment has no business on the loopback address


def heed_ctrl_c() -> None:
    """Undo what a shell does to the commands that it starts in the background: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def dashboard(results: Path, *options: str, name: str = "mars") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and its first line."""
    command = [sys.executable, "-m", "search.dashboard", name, "--results", str(results), "--port", "0", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=heed_ctrl_c) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


def get(url: str) -> bytes:
    with BROWSER.open(url, timeout=20) as answer:
        return answer.read()
