"""The frame around every command: a user's mistake becomes one message and exit code 2, Ctrl-C becomes 130."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from search.errors import UserError

USER_ERROR = 2
INTERRUPTED = 130
PIPE_CLOSED = 141


def run_command(main: Callable[[], None]) -> NoReturn:
    """Run `main` and leave the process: 0 when it returns, 2 after a UserError, 130 after Ctrl-C, 141 where the reader
    of the output has gone (`| head`).

    Any other exception is a defect of the program and keeps its traceback.
    """
    try:
        main()
        sys.stdout.flush()
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at its end
        sys.exit(PIPE_CLOSED)
    sys.exit(0)
