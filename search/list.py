"""`python -m search.list`: all studies, what they reached and when they last ran."""

from dataclasses import dataclass

import tyro

from search.command import run_command
from search.tuning.folder import DEFAULT_RESULTS
from search.tuning.study_options import ResultsOption


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """List all studies: space, data, trials, the best validation mIoU and the date of the last run."""

    results: ResultsOption = DEFAULT_RESULTS


def main() -> None:
    """Read every study's folder and storage, print a line each."""
    options = tyro.cli(ListOptions, prog="python -m search.list")
    from rich.console import Console

    from search.terminal.studies import print_studies
    from search.tuning.overview import overviews

    studies = overviews(options.results)
    if studies:
        print_studies(Console(highlight=False), studies)
    else:
        print(f"there are no studies under {options.results}; start one with: uv run python -m search.run")


if __name__ == "__main__":
    run_command(main)
