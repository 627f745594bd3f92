"""Presets and spaces in words for people, and as plain values for programs."""

import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from spaces.conditions import dimensions
from spaces.presets import PRESETS
from spaces.space import SearchSpace

WIDTH = 112


def preset_lines() -> list[tuple[str, str]]:
    """Name and one-line description of every preset: the first line of its docstring."""
    return [(name, (inspect.getdoc(function) or "").partition("\n")[0]) for name, function in PRESETS.items()]


def space_lines(space: SearchSpace) -> Iterator[str]:
    """The space as a tree, then its named points with their sources."""
    yield f"{space.name}: {len(list(dimensions(space.root)))} parameters"
    yield "NAME: VALUES  [DEFAULT]; what stands below an option exists only where the option is chosen"
    yield ""
    yield from space.lines
    yield ""
    if space.points:
        yield f"{len(space.points)} named points; after the default point a search tries the first that fit its limits:"
    longest = max(map(len, space.points), default=0)
    for name, point in space.points.items():
        first, *rest = textwrap.wrap(point.words, WIDTH - longest - 4) or [""]
        yield f"  {name.ljust(longest)}  {first}"
        yield from (f"  {' ' * longest}  {line}" for line in rest)


def space_json(space: SearchSpace) -> dict[str, Any]:
    """The space as plain values: parameters with bounds and conditions, the default point, the named points.

    Every entry of a parameter's `when` must hold for it to exist: `{"parameter", "is"}`, or `any` or `all` of such.
    """
    points = {
        name: {
            "note": point.note,
            "source": None if point.source is None else asdict(point.source),
            "params": space.encode(point.config),
            "config": point.config.model_dump(mode="json"),
        }
        for name, point in space.points.items()
    }
    return {
        "space": space.name,
        "fingerprint": space.fingerprint,
        "dimensions": [dimension.to_json() for dimension in dimensions(space.root)],
        "default": space.default.model_dump(mode="json"),
        "points": points,
    }
