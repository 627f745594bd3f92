"""Exit codes of commands."""

import subprocess
import sys

import pytest

from search.command import run_command
from search.errors import StudyError


def raising(error: BaseException):
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(("error", "code", "text"), [
    (StudyError("a rule"), 2, "error: a rule\n"),
    (KeyboardInterrupt(), 130, "interrupted\n"),
])  # fmt: skip
def test_errors_become_codes(capsys, error, code, text):
    with pytest.raises(SystemExit) as end:
        run_command(raising(error))
    assert (end.value.code, capsys.readouterr().err) == (code, text)


def test_success_is_zero_and_defects_keep_their_traceback():
    with pytest.raises(SystemExit) as end:
        run_command(lambda: None)
    assert end.value.code == 0
    with pytest.raises(ZeroDivisionError):
        run_command(raising(ZeroDivisionError()))


PRINTING = """
import time
from search.command import run_command

time.sleep(0.3)
run_command(lambda: print("x" * {length}))
"""


@pytest.mark.parametrize("length", [1_000_000, 1], ids=["while it prints", "when the rest is written at its end"])
def test_a_closed_pipe_ends_a_command_quietly(length: int) -> None:
    code = PRINTING.format(length=length)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 141)
