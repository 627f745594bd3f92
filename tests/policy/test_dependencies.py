"""What is declared is what is imported, and the tested versions are pinned."""

import re
import tomllib
from importlib.metadata import version

from packaging.requirements import Requirement

from tests.policy.source import FOLDERS, IMPORT_NAMES, PACKAGES, ROOT, libraries, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CHOSEN_FOR_US = {"optuna", "torch", "timm", "albumentations", "ray", "plotly", "torchvision"}
"""Fixed by those who use the product, or the other half of a pair: declared even while nothing imports them."""

IMPORTED_BY_OTHERS = {"onnxscript", "scikit-learn"}
"""By torch's exporter to ONNX; by Optuna's importances, which does not ask for it itself."""

TOOLS = {"ipykernel", "pyright", "pytest-timeout", "pytest-xdist", "ruff"}
"""Run, or imported by a notebook's kernel, not by us."""

UNPINNED = {"torch", "torchvision"}
"""Several versions are supported and tested."""


def names(requirements: list[str]) -> set[str]:
    return {Requirement(text).name for text in requirements}


def imported(*folders: str) -> set[str]:
    found = {library for module in modules(*folders) for library in libraries(module)}
    return {IMPORT_NAMES.get(library, library) for library in found}


RUNTIME = PROJECT["project"]["dependencies"]
OPTIONAL = [text for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra]
DRIVERS = {"psycopg"}
"""Optional, and imported by SQLAlchemy, not by us."""

DEVELOPMENT = PROJECT["dependency-groups"]["dev"]


def test_the_product_imports_what_it_declares_and_no_more() -> None:
    assert imported(*PACKAGES) <= names(RUNTIME) | names(OPTIONAL)
    assert names(RUNTIME) - imported(*PACKAGES) <= CHOSEN_FOR_US | IMPORTED_BY_OTHERS
    assert names(OPTIONAL) - imported(*PACKAGES) == DRIVERS


def test_tests_and_benchmarks_import_what_is_declared_and_no_more() -> None:
    assert imported(*FOLDERS) <= names(RUNTIME) | names(DEVELOPMENT) | names(OPTIONAL)
    assert names(DEVELOPMENT) - imported(*FOLDERS) == TOOLS
    assert not names(DEVELOPMENT) & names(RUNTIME)


def test_every_range_ends_at_a_major_version() -> None:
    uncapped = [text for text in [*RUNTIME, *DEVELOPMENT, *OPTIONAL] if not re.search(r">=[\d.]+,<\d+$", text)]
    assert not uncapped


def test_the_tested_versions_are_pinned() -> None:
    pins = {(pin := Requirement(text)).name: pin.specifier for text in PROJECT["tool"]["uv"]["constraint-dependencies"]}
    declared = [Requirement(text) for text in [*RUNTIME, *DEVELOPMENT, *OPTIONAL]]
    ranges = {requirement.name: requirement.specifier for requirement in declared}
    assert set(pins) == set(ranges) - UNPINNED - DRIVERS
    outside = [name for name in pins if not all(ranges[name].contains(pin.version) for pin in pins[name])]
    assert not outside


def test_what_is_installed_is_within_the_declared_ranges() -> None:
    wrong = [
        text for text in [*RUNTIME, *DEVELOPMENT] if version(Requirement(text).name) not in Requirement(text).specifier
    ]
    assert not wrong
