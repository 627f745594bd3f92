"""`search.run` as a function. Importing this module imports nothing heavy."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from search.data.stratification import Stratification
from search.errors import UserError
from search.interface.quiet import quiet_imports
from search.tuning.fork_server import ForkServer
from search.tuning.options import RunOptions, Tracker

if TYPE_CHECKING:
    from rich.console import Console

    from search.interface.study import Study


def run(
    *,
    space: str = "unet_family",
    data: str | Path | None = None,
    input_size: str | tuple[int, int] = "auto",
    pretrained: str | Path = "none",
    objectives: str = "miou",
    study: str | None = None,
    results: str | Path = "results",
    storage: str | None = None,
    seed: int = 0,
    stratify: Stratification = "presence",
    trials: int | None = None,
    time_budget: str | float | None = None,
    max_epochs: int | None = None,
    grace_epochs: int | None = None,
    reduction_factor: int = 3,
    no_warm_start: bool = False,
    max_params: int | None = None,
    max_macs: int | None = None,
    executor: Literal["ray", "local"] = "ray",
    concurrency: str | int = "auto",
    gpus_per_trial: str | float = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    layout: Literal["auto", "channels_last", "contiguous"] = "auto",
    keep: int = 5,
    pictures: int | None = None,
    track: Tracker | Sequence[Tracker] = (),
    progress: bool = True,
) -> "Study":
    """Search for the best network on a data set, as `python -m search.run` does, and return the study.

    Every argument is the command's option of that name (docs/cli.md): `data` an npz file or a folder, None the
    generated demo set; `time_budget` a time such as "20m", or seconds; `input_size` "64x128", or height and width;
    `track` one name or several. `progress` False prints nothing. The same call continues a study, as does the command.

    Ctrl-C, or a notebook's interrupt, ends the search; the study so far is returned, its `interrupted` set. Before the
    first trial there is no study yet, and KeyboardInterrupt is raised. A mistake raises UserError (search.errors), or
    one of its kinds: DataError, SpaceError, StudyError. The messages name the command's options.

    Example:
        >>> study = run(data="tiles.npz", space="own.py:tiny", trials=2, max_epochs=1, progress=False)
        >>> len(study.trials)
        2
    """
    if data == "":
        raise UserError("data is a file or a folder, or None for the generated demo set, got ''")
    given = {
        "what": {
            "space": space,
            "data": data,
            "input_size": "x".join(map(str, input_size)) if isinstance(input_size, list | tuple) else str(input_size),
            "pretrained": str(pretrained) if isinstance(pretrained, Path) else pretrained,
            "objectives": objectives,
            "study": study,
            "results": results,
            "storage": storage,
            "seed": seed,
            "stratify": stratify,
        },
        "budget": {
            "trials": trials,
            "time_budget": None if time_budget is None else str(time_budget),
            "max_epochs": max_epochs,
            "grace_epochs": grace_epochs,
            "reduction_factor": reduction_factor,
            "no_warm_start": no_warm_start,
        },
        "networks": {"max_params": max_params, "max_macs": max_macs},
        "execution": {
            "executor": executor,
            "concurrency": str(concurrency),
            "gpus_per_trial": str(gpus_per_trial),
            "precision": precision,
            "layout": layout,
            "keep": keep,
            "pictures": pictures,
            "track": (track,) if isinstance(track, str) else track,
        },
    }
    return search_with(checked(given), progress=progress)


def search_with(options: RunOptions, *, progress: bool) -> "Study":
    """Search, and read what came of it."""
    with ForkServer() as server:  # first: it imports for seconds
        with quiet_imports():
            from search.interface.study import study_in
            from search.terminal.running import search
            from search.tuning.folder import study_folder

        result = search(options, server, console(progress))
    assert result is not None, "only --dry-run ends without a result"
    folder = study_folder(options.what.results, options.study_name)
    return replace(study_in(folder, options.what.storage), interrupted=result.interrupted)


def checked(given: dict[str, dict[str, Any]]) -> RunOptions:
    """Options from values by group and name. Raises UserError for values of a wrong kind, and as `check` does."""
    from pydantic import TypeAdapter, ValidationError

    try:
        options = TypeAdapter(RunOptions).validate_python(given)
    except ValidationError as error:
        lines = [f"{entry['loc'][1]}: {entry['msg']}, got {entry['input']!r}" for entry in error.errors()]
        raise UserError("run takes the options of search.run, and cannot take these:\n" + "\n".join(lines)) from error
    options.check()
    return options


def console(progress: bool) -> "Console":
    """Where a search is told: live in a terminal, lines of text elsewhere, in notebooks too; or nowhere.

    A notebook sets FORCE_COLOR, and rich would take it for a terminal or draw each line as HTML.
    """
    from rich.console import Console

    if not progress:
        return Console(quiet=True, force_terminal=False, force_jupyter=False)
    return Console(highlight=False, force_terminal=sys.stdout.isatty(), force_jupyter=False)
