"""`from search import run, load, load_model` is light, and means the same whatever was imported before."""

import inspect
import subprocess
import sys

import pytest

import search
import search.run as command
from search.interface import searching

HEAVY = {"torch", "ray", "optuna", "plotly", "numpy", "rich", "pydantic", "tyro"}
HEAVY_FOR_CALLS = {"torch", "ray", "optuna", "plotly"}

ORDERS = {
    "function alone": "from search import run",
    "command first": "import search.run; from search import run",
    "command's part first": "from search.run import main; from search import run",
    "package first": "import search; run = search.run",
    "command as a name": "import search.run as run",
    "function first": "from search import run; import search.run; from search.run import main",
    "command run first": (
        "import contextlib, io, runpy, sys\n"
        "sys.argv = ['command', '--help']\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    runpy.run_module('search.run', run_name='__main__')\n"
        "from search import run"
    ),
    "everything first": "from search import *; import search.interface.searching",
}
CHECK = """
import sys
assert run is sys.modules["search.run"], run
assert run is __import__("search").run
assert callable(run)
assert callable(run.main)
try:
    run(trials=0)
except Exception as error:
    print(type(error).__name__, error, flush=True)
"""
EACH = """
import os, sys, traceback
import pydantic, tyro  # once for all
for order in {orders!r}:
    if os.fork() == 0:
        try:
            exec(order, {{}})
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    os.wait()
"""


def output_of(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not done.stderr, done.stderr
    return done.stdout


def test_run_is_the_function_and_the_command_in_every_order() -> None:
    """Each order in a fork of one process, which has not imported the package."""
    output = output_of(EACH.format(orders=[order + CHECK for order in ORDERS.values()]))
    assert output.splitlines() == ["UserError --trials must be at least 1, got 0"] * len(ORDERS)


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [("import search", HEAVY), ("from search import run, load, load_model", HEAVY_FOR_CALLS)],
)
def test_imports_are_light(statement: str, heavy: set[str]) -> None:
    script = f"import sys\n{statement}\nprint(sorted({heavy!r} & set(sys.modules)))"
    assert output_of(script) == "[]\n"


def test_the_command_still_runs() -> None:
    script = [sys.executable, "-m", "search.run", "--trials", "0"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: --trials must be at least 1, got 0\n")


def test_the_module_has_the_functions_signature() -> None:
    assert inspect.signature(search.run) == inspect.signature(searching.run)
    assert callable(command)


def test_the_package_names_what_it_has() -> None:
    assert set(search.__all__) == {"run", "load", "load_model"} <= set(dir(search))
    with pytest.raises(AttributeError, match="module 'search' has no attribute 'nothing'"):
        _ = search.nothing
    with pytest.raises(ImportError, match="cannot import name 'nothing' from 'search'"):
        exec("from search import nothing")
