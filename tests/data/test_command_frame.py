"""Exit codes of commands."""

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
