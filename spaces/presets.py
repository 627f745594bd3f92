"""Finding a space by what the user typed: a preset's name, or `FILE.py:function`."""

import difflib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from spaces.all_families import all_families
from spaces.deeplab_family import deeplab_family
from spaces.encoder_family import encoder_family
from spaces.experts import experts
from spaces.facts import DataFacts
from spaces.hybrid_family import hybrid_family
from spaces.seed_systems import seed_systems
from spaces.space import SearchSpace
from spaces.transformer_family import transformer_family
from spaces.unet_family import unet_family
from spaces.unet_plus_family import unet_plus_family

SpaceFunction = Callable[[DataFacts], SearchSpace]

PRESETS: dict[str, SpaceFunction] = {
    preset.__name__: preset
    for preset in (
        unet_family,
        unet_plus_family,
        deeplab_family,
        encoder_family,
        transformer_family,
        hybrid_family,
        experts,
        all_families,
        seed_systems,
    )
}


class UnknownSpaceError(ValueError):
    """The name or file does not lead to a search space; the message says what would."""


def find_space(name: str) -> SpaceFunction:
    """The function behind a preset's name or behind `FILE.py:function`. Raises UnknownSpaceError."""
    if name in PRESETS:
        return PRESETS[name]
    path, colon, function = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _load_function(Path(path), function)
    close = difflib.get_close_matches(name, PRESETS, n=1, cutoff=0.3)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise UnknownSpaceError(
        f"there is no space named {name!r}: {hint}Use one of {', '.join(PRESETS)}, or FILE.py:function for your own"
    )


def build_space(name: str, facts: DataFacts) -> SearchSpace:
    """The space `name` for data with these facts. Raises UnknownSpaceError, also where a user's function fails."""
    function = find_space(name)
    try:
        space = function(facts)
    except Exception as error:
        if function in PRESETS.values():
            raise
        raise UnknownSpaceError(f"the space {name!r} failed to build: {type(error).__name__}: {error}") from error
    if not isinstance(space, SearchSpace):
        raise UnknownSpaceError(f"the space {name!r} must return a SearchSpace, it returned {type(space).__name__}")
    return space


def _load_function(path: Path, function: str) -> SpaceFunction:
    if not path.is_file():
        raise UnknownSpaceError(f"a space of your own is FILE.py:function; there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"segtune_user_space_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look their module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UnknownSpaceError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    found: SpaceFunction | None = vars(module).get(function)
    if not callable(found):
        functions = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise UnknownSpaceError(f"{path} has no function {function!r}; it has: {', '.join(functions) or 'none'}")
    return found
