"""Files stay small, are named for what they hold, and hide nothing from the checkers."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.policy.source import FOLDERS, ROOT, Module, modules

MOST_LINES = 350
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}
SILENCERS = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:|pylint:|ruff:|nosec|TODO|FIXME|XXX)", re.IGNORECASE)


def comments(module: Module) -> Iterator[tokenize.TokenInfo]:
    tokens = tokenize.generate_tokens(io.StringIO(module.path.read_text(encoding="utf-8")).readline)
    return (token for token in tokens if token.type == tokenize.COMMENT)


def swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches everything and does nothing."""
    broad = handler.type is None or (isinstance(handler.type, ast.Name) and "Exception" in handler.type.id)
    return broad and all(isinstance(statement, ast.Pass) for statement in handler.body)


def test_files_are_short() -> None:
    lengths = {module.place: len(module.path.read_text(encoding="utf-8").splitlines()) for module in modules(*FOLDERS)}
    assert lengths
    assert not {place: length for place, length in lengths.items() if length > MOST_LINES}


def test_names_say_what_a_file_holds() -> None:
    assert not [module.place for module in modules(*FOLDERS) if module.path.stem in EMPTY_NAMES]


def test_no_comment_silences_a_checker_or_puts_work_off() -> None:
    found = [
        f"{module.place}:{token.start[0]} {token.string}"
        for module in modules(*FOLDERS)
        for token in comments(module)
        if SILENCERS.search(token.string)
    ]
    assert not found


def test_no_error_is_swallowed() -> None:
    found = [
        f"{module.place}:{node.lineno}"
        for module in modules(*FOLDERS)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and swallows(node)
    ]
    assert not found


@pytest.mark.parametrize(
    ("comment", "silences"),
    [("# noqa: E501", True), ("# type: ignore[override]", True), ("# todo later", True), ("# types: ints", False)],
)
def test_silencers_are_recognized(comment: str, silences: bool) -> None:
    assert bool(SILENCERS.search(comment)) == silences


@pytest.mark.parametrize(
    ("code", "swallowed"),
    [("except: pass", True), ("except Exception: pass", True), ("except OSError: pass", False)],
)
def test_swallowing_is_recognized(code: str, swallowed: bool) -> None:
    handler = next(node for node in ast.walk(ast.parse(f"try: f()\n{code}")) if isinstance(node, ast.ExceptHandler))
    assert swallows(handler) == swallowed


def test_text_names_no_place_of_one_machine() -> None:
    """Documents, settings and scripts are the same on every machine."""
    private = re.compile(r"(?<![\w.])/(?:work|home|root|Users)/|https?://(?:[\w.-]*(?:mirror|proxy|pypi)[\w.-]*)")
    places = [ROOT / "README.md", ROOT / "pyproject.toml", ROOT / ".ci/run", *ROOT.glob("docs/**/*.md")]
    places += [module.path for module in modules(*FOLDERS) if module.path.name != "test_files.py"]
    assert not [path.name for path in places if private.search(path.read_text(encoding="utf-8"))]
