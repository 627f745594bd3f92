"""Finding a space by what a user typed."""

from pathlib import Path

import pytest

from spaces.presets import UnknownSpaceError, build_space, find_space
from spaces.unet_family import unet_family
from tests.spaces.sampling import facts

OWN = """
from __future__ import annotations

from dataclasses import dataclass, replace

from spaces.facts import DataFacts
from spaces.space import SearchSpace
from spaces.unet_family import unet_family


@dataclass(frozen=True)
class Mine:
    name: str


def mine(facts: DataFacts) -> SearchSpace:
    return replace(unet_family(facts), name=Mine("mine").name)


def broken(facts):
    raise KeyError("no such part")


def nothing(facts):
    return {"model": {}}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_a_preset_is_found_by_name() -> None:
    assert find_space("unet_family") is unet_family


def test_a_function_in_a_file_is_found(own: Path) -> None:
    assert build_space(f"{own}:mine", facts()).name == "mine"


def test_a_misspelled_name_gets_the_nearest() -> None:
    with pytest.raises(
        UnknownSpaceError, match=r"no space named 'unet_famly': did you mean 'unet_family'\? Use one of"
    ):
        find_space("unet_famly")
    with pytest.raises(UnknownSpaceError, match=r"no space named 'xyz': Use one of unet_family, .*, or FILE\.py:f"):
        find_space("xyz")


@pytest.mark.parametrize("name", ["", ":", "own.py", "own.py:", ":mine", "unet_family:mine"])
def test_half_a_name_is_refused(name: str) -> None:
    with pytest.raises(UnknownSpaceError):
        find_space(name)


def test_a_missing_file_or_function_is_named(own: Path) -> None:
    with pytest.raises(UnknownSpaceError, match=r"there is no file .*absent\.py"):
        find_space(str(own.with_name("absent.py")) + ":mine")
    with pytest.raises(UnknownSpaceError, match=r"has no function 'min'; it has: .*mine"):
        find_space(f"{own}:min")


def test_a_file_that_cannot_be_imported_says_why(own: Path) -> None:
    for text, reason in [
        ("def f(:", "SyntaxError"),
        ("import absent_module", "absent_module"),
        ("exit(3)", "SystemExit"),
    ]:
        own.write_text(text)
        with pytest.raises(UnknownSpaceError, match=rf"own\.py cannot be imported: .*{reason}"):
            find_space(f"{own}:mine")


def test_a_function_that_fails_or_returns_something_else_says_so(own: Path) -> None:
    with pytest.raises(UnknownSpaceError, match="failed to build: KeyError: 'no such part'"):
        build_space(f"{own}:broken", facts())
    with pytest.raises(UnknownSpaceError, match="must return a SearchSpace, it returned dict"):
        build_space(f"{own}:nothing", facts())
