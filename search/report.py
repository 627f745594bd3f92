"""`python -m search.report STUDY`: all that came of a study as one page that works offline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from search.command import run_command
from search.tuning.folder import DEFAULT_RESULTS, find_study
from search.tuning.study_options import ResultsOption, StorageOption, StudyArgument


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Write a study's report: one HTML file, also while its search is running."""

    study: StudyArgument

    to: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """The file to write. Default: report.html in the study's folder."""

    results: ResultsOption = DEFAULT_RESULTS

    storage: StorageOption = None

    data: Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")] = None
    """The study's data, for the confusion matrix and the images. Default: where it was when the search ran."""


def main() -> None:
    """Write the page, say where it is."""
    options = tyro.cli(ReportOptions, prog="python -m search.report")
    folder = find_study(options.study, options.results)
    from search.reporting.contents import write_report

    print(write_report(folder, to=options.to, storage=options.storage, data=options.data))


if __name__ == "__main__":
    run_command(main)
