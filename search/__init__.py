"""The search: data, training of one trial, tuning over many, and the commands (`python -m search.NAME`).

In Python: `from search import run, load, load_model` (docs/python.md). They are imported when they are asked for;
importing this package imports nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.interface.loading import load, load_model
    from search.interface.searching import run

__all__ = ["load", "load_model", "run"]


def __getattr__(name: str) -> object:
    match name:
        case "run":
            return import_module("search.run")  # the command's module, which can be called: see there
        case "load" | "load_model":
            from search.interface import loading

            return loading.load if name == "load" else loading.load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
