"""Files stay small, are named for what they hold, and are the same on every machine."""

import re

from tests.policy.source import FOLDERS, ROOT, modules

MOST_LINES = 350
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}


def test_files_are_short() -> None:
    lengths = {module.place: len(module.path.read_text(encoding="utf-8").splitlines()) for module in modules(*FOLDERS)}
    assert lengths
    assert not {place: length for place, length in lengths.items() if length > MOST_LINES}


def test_names_say_what_a_file_holds() -> None:
    assert not [module.place for module in modules(*FOLDERS) if module.path.stem in EMPTY_NAMES]


def test_text_names_no_place_of_one_machine() -> None:
    """Documents, settings and scripts are the same on every machine."""
    private = re.compile(r"(?<![\w.])/(?:work|home|root|Users)/|https?://(?:[\w.-]*(?:mirror|proxy|pypi)[\w.-]*)")
    places = [ROOT / "README.md", ROOT / "pyproject.toml", ROOT / ".ci/run", *ROOT.glob("docs/**/*.md")]
    places += [module.path for module in modules(*FOLDERS) if module.path.name != "test_files.py"]
    assert not [path.name for path in places if private.search(path.read_text(encoding="utf-8"))]
