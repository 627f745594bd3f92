"""`python -m search.run`: search a space for the best network on a data set.

In Python this module can be called: `from search import run; study = run(data="mydata", time_budget="1h")`. What it
takes and returns stands in `search.interface.searching.run`.
"""

import sys
from types import ModuleType

import tyro

from search.command import INTERRUPTED, run_command
from search.interface.searching import run
from search.tuning.fork_server import ForkServer
from search.tuning.options import RunOptions


class CallableModule(ModuleType):
    """A module that is a function, too: whoever imports what first, `search.run` is this one object.

    A function of that name in the package would give way to the module as soon as anything imports `search.run`.
    """

    __call__ = staticmethod(run)

    __wrapped__ = staticmethod(run)
    """Where `inspect.signature` finds the parameters."""


def main() -> None:
    """Search as the options say."""
    options = tyro.cli(RunOptions, prog="python -m search.run")
    options.check()
    with ForkServer() as server:  # first: it imports for seconds
        from rich.console import Console

        from search.terminal.running import search

        result = search(options, server, Console(highlight=False))
    if result is not None and result.interrupted:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    run_command(main)
else:
    sys.modules[__name__].__class__ = CallableModule
