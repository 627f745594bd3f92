"""The options that commands on existing studies share. Imports nothing heavy."""

from pathlib import Path
from typing import Annotated

import tyro

StudyArgument = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(metavar="STUDY", help="The study: its folder, or its name under --results."),
]
ResultsOption = Annotated[Path, tyro.conf.arg(metavar="DIR", help="Folder that holds the studies.")]
StorageOption = Annotated[
    str | None,
    tyro.conf.arg(
        metavar="URL",
        help="Optuna storage of the study. Default: where its last run stored it.",
        help_behavior_hint="",
    ),
]
