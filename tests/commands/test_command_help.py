"""Every command explains itself, quickly: help needs neither torch, ray, optuna nor plotly."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import search

COMMANDS = sorted(
    path.stem for path in Path(search.__file__).parent.glob("*.py") if "run_command(main)" in path.read_text()
)
HEAVY = {"torch", "ray", "optuna", "plotly"}

SCRIPT = """
import runpy, sys, time
sys.argv = ["command", "--help"]
try:
    runpy.run_module("search." + {name!r}, run_name="__main__")
except SystemExit as end:
    print("exit", end.code)
print("heavy", *sorted({heavy!r} & set(sys.modules)))
print("seconds", time.process_time())
"""


def test_all_commands_are_found():
    expected = {
        *("answer", "audit", "compare", "dashboard", "delete", "export", "list", "predict", "report", "run", "spaces"),
        "train",
    }
    assert set(COMMANDS) >= expected


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_quick_and_light(name):
    script = SCRIPT.format(name=name, heavy=HEAVY)
    text = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert f"usage: python -m search.{name}" in text
    assert "\nexit 0\nheavy\n" in text
    assert "{None}|" not in text or name in ("run", "audit")
    assert (seconds := re.search(r"seconds (.*)", text)) is not None
    assert float(seconds[1]) < 1.5
