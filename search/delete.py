"""`python -m search.delete STUDY`: remove a study, its trials and its weights, after asking."""

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from search.command import run_command
from search.errors import StudyError
from search.tuning.folder import DEFAULT_RESULTS, find_study
from search.tuning.study_options import ResultsOption, StorageOption, StudyArgument


@dataclass(frozen=True, kw_only=True)
class DeleteOptions:
    """Delete a study: its trials in the storage, and its folder with all weights. There is no way back."""

    study: StudyArgument

    results: ResultsOption = DEFAULT_RESULTS

    storage: StorageOption = None

    yes: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Delete without asking."""


def main() -> None:
    """Say what would go, ask, delete."""
    options = tyro.cli(DeleteOptions, prog="python -m search.delete")
    folder = find_study(options.study, options.results)
    from search.tuning.removal import description, plan_removal, remove

    removal = plan_removal(folder, options.storage)
    print(description(removal))
    if not options.yes and not confirmed():
        print("nothing was deleted")
        return
    remove(removal)
    print(f"deleted {folder}")


def confirmed() -> bool:
    """Ask in the terminal. Raises StudyError where there is none."""
    if not sys.stdin.isatty():
        raise StudyError("deleting needs a yes, and there is no terminal to ask in; nothing was deleted. Add --yes")
    try:
        return input("delete all of it? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


if __name__ == "__main__":
    run_command(main)
