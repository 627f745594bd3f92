"""`python -m search.spaces [NAME]`: which search spaces there are, and what is in one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from search.command import run_command
from search.errors import SpaceError
from spaces.description import preset_lines, space_json, space_lines
from spaces.facts import DataFacts
from spaces.mars_tiles import MARS_TILES
from spaces.presets import UnknownSpaceError, build_space


@dataclass(frozen=True, kw_only=True)
class SpacesOptions:
    """List the search spaces, or print one: bounds, conditions, defaults, and the points it knows beforehand."""

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """A preset's name, or FILE.py:function. Without it, all presets are listed."""

    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON instead of text."""

    data: Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")] = None
    """The data to build the space for, as in search.run. Default: the facts of the course's Mars tiles."""


def main() -> None:
    """List, or build and print."""
    options = tyro.cli(SpacesOptions, prog="python -m search.spaces")
    if options.name is None:
        print_presets(options.json)
    else:
        print_space(options.name, options.data, as_json=options.json)


def print_presets(as_json: bool) -> None:
    """Every preset with its description."""
    presets = preset_lines()
    if as_json:
        print(json.dumps([{"name": name, "description": description} for name, description in presets], indent=2))
        return
    for name, description in presets:
        print(f"{name}  {description}")
    print("\nuv run python -m search.spaces NAME prints one; a space of your own is FILE.py:function")


def print_space(name: str, path: Path | None, *, as_json: bool) -> None:
    """One space for the data at `path`. Raises SpaceError, DataError."""
    try:
        space = build_space(name, read_facts(path))
    except UnknownSpaceError as error:
        raise SpaceError(str(error)) from error
    if as_json:
        print(json.dumps(space_json(space), indent=2))
        return
    what = "the course's Mars tiles; --data PATH shows it for other data" if path is None else str(path)
    print(f"for {what}\n")
    print("\n".join(space_lines(space)))


def read_facts(path: Path | None) -> DataFacts:
    """The facts of the data at `path`, None for those of the Mars tiles."""
    if path is None:
        return MARS_TILES
    from search.data.prepare import prepare_data

    return prepare_data(path, seed=0).facts


if __name__ == "__main__":
    run_command(main)
