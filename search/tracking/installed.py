"""Whether what `--track` names can be used here: asked before anything is measured. Imports nothing heavy."""

from collections.abc import Sequence
from importlib.util import find_spec

from search.errors import UserError


def check_installed(names: Sequence[str]) -> None:
    """Raise UserError for the first library of `names` that is not installed."""
    for name in names:
        if find_spec(name) is None:
            raise UserError(
                f"--track {name} needs the package {name}, which is not installed; start the command with "
                f"uv run --extra {name}"
            )
