"""`python -m search.dashboard STUDY`: the study in optuna-dashboard, live, for this machine only."""

import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import tyro

from search.command import run_command
from search.tuning.folder import DEFAULT_RESULTS, find_study
from search.tuning.options import Flag
from search.tuning.study_options import ResultsOption, StorageOption, StudyArgument


@dataclass(frozen=True, kw_only=True)
class DashboardOptions:
    """Open a study in optuna-dashboard on 127.0.0.1, also while its search is running. Ctrl-C ends it.

    It shows the study and changes nothing in it. Each trial has a note and its learning curve, and where its weights
    were kept a picture of what its network predicts.
    """

    study: StudyArgument

    results: ResultsOption = DEFAULT_RESULTS

    port: Annotated[int, tyro.conf.arg(metavar="N")] = 8080
    """Port on 127.0.0.1; 0 takes a free one."""

    storage: StorageOption = None

    no_pictures: Flag = False
    """Draw no predictions and count no parameters: both need a second process with torch, and the data."""


def main() -> None:
    """Find the study, listen, print the address, serve until Ctrl-C or SIGTERM."""
    options = tyro.cli(DashboardOptions, prog="python -m search.dashboard")
    folder = find_study(options.study, options.results)
    from search.tuning.dashboard import open_dashboard
    from search.tuning.session import terminable

    warnings.filterwarnings("ignore", module="optuna.importance")  # of few trials, at each look at the page
    draw = not options.no_pictures
    with (
        terminable(),
        open_dashboard(folder, options.port, options.storage, draw=draw) as dashboard,
        suppress(KeyboardInterrupt),  # it may come before the first request
    ):
        print(f"{dashboard.name}: {dashboard.address}  (Ctrl-C ends the dashboard, not the search)", flush=True)
        dashboard.serve()


if __name__ == "__main__":
    run_command(main)
