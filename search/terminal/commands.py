"""What to type next."""

import shlex
from dataclasses import asdict
from pathlib import Path

from search.data.initial_weights import NO_FILE
from search.tuning.folder import BEST_NAME
from search.tuning.options import Budget, Execution, Networks, RunOptions, What
from search.tuning.plan import Plan
from search.tuning.session import Result

PYTHON = ("uv", "run", "python", "-m")
WRITTEN_APART = ("space", "dry_run")


def next_commands(planned: Plan, result: Result) -> list[tuple[str, str]]:
    """Commands that make sense now, ready for a shell, and what they do."""
    study, name = str(planned.folder), planned.folder.name
    commands = []
    if not result.finished:
        commands.append((continuing_command(planned.options), "continue this search"))
    commands.append((shlex.join([*PYTHON, "search.dashboard", study]), "look at every trial"))
    commands.append((shlex.join([*PYTHON, "search.report", study]), "write all that came of it as one page"))
    if result.best is not None:
        commands.append((shlex.join([*PYTHON, "search.answer", study]), "choose, and measure on the locked test part"))
        commands.append((shlex.join([*PYTHON, "search.export", study, "--to", f"best-of-{name}"]), "take the best"))
        best = str(Path(study) / BEST_NAME)
        commands.append(
            (
                shlex.join([*PYTHON, "search.train", best, *_data(planned.options), *_file(planned.options)]),
                "train it again",
            )
        )
    return commands


def answer_commands(study: Path) -> list[tuple[str, str]]:
    """Commands that make sense after an answer, and what they do."""
    return [
        (shlex.join([*PYTHON, "search.report", str(study)]), "write all of it as one page"),
        (shlex.join([*PYTHON, "search.export", str(study), "--to", f"best-of-{study.name}"]), "take it"),
    ]


def audit_command(data: Path) -> str:
    """The command line that lists what the audit found."""
    return shlex.join([*PYTHON, "search.audit", str(data)])


def space_command(options: RunOptions) -> str:
    """The command line that prints the space as it is for the data of this search."""
    return shlex.join([*PYTHON, "search.spaces", options.what.space, *_data(options)])


def continuing_command(options: RunOptions) -> str:
    """The command line of `options`, every option that is not at its default: it continues the search as it ran."""
    uv, run, *python = PYTHON
    extras = [word for name in options.execution.track for word in ("--extra", name)]
    words = [uv, run, *extras, *python, "search.run", "--space", options.what.space]
    for group in (options.what, options.budget, options.networks, options.execution):
        words += _changed(group)
    return shlex.join(words)


def _data(options: RunOptions) -> list[str]:
    return [] if options.what.data is None else ["--data", str(options.what.data)]


def _file(options: RunOptions) -> list[str]:
    """The file of weights that networks started from, which a training needs again."""
    return [] if options.what.pretrained in NO_FILE else ["--pretrained", options.what.pretrained]


def _changed(group: What | Budget | Networks | Execution) -> list[str]:
    defaults = asdict(type(group)())
    words = []
    for name, value in asdict(group).items():
        if value == defaults[name] or name in WRITTEN_APART:
            continue
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, tuple):
            words += [word for part in value for word in (flag, part)]
        else:
            words += [flag] if value is True else [flag, str(value)]
    return words
