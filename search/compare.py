"""`python -m search.compare A B`: studies on the same data and split, side by side."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from search.command import run_command
from search.errors import StudyError
from search.tuning.folder import DEFAULT_RESULTS, find_study
from search.tuning.study_options import ResultsOption


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Compare studies on the same split: best value, effort, best after equal training time, best configurations."""

    studies: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(
            metavar="STUDY STUDY ...",
            help="Two or more studies: folders, or names under --results.",
            help_behavior_hint="(required)",
        ),
    ]

    results: ResultsOption = DEFAULT_RESULTS


def main() -> None:
    """Read the studies, refuse what cannot be compared, print."""
    options = tyro.cli(CompareOptions, prog="python -m search.compare")
    folders = [find_study(study, options.results) for study in options.studies]
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise StudyError(
            f"a comparison needs two or more different studies, got {' '.join(options.studies) or 'none'}; python -m "
            "search.list shows all studies"
        )
    from rich.console import Console

    from search.terminal.comparison import print_comparison
    from search.tuning.comparison import check_comparable
    from search.tuning.reading import read_study

    studies = [read_study(folder) for folder in folders]
    check_comparable(studies)
    print_comparison(Console(), studies)


if __name__ == "__main__":
    run_command(main)
