"""Imports run one way, and each library has its place."""

from graphlib import CycleError, TopologicalSorter

import pytest

from tests.policy.source import PACKAGES, Module, importing, libraries, modules, own_imports

RANKS = {
    "search.errors": 0,
    "search.files": 0,
    "search.hashes": 0,
    "search.words": 0,
    "spaces": 1,
    "models": 2,
    "search.data": 3,
    "search.training": 4,
    "search.tuning": 5,
    "search.selection": 6,
    "search.reporting": 7,
    "search.terminal": 8,
    "search.tracking": 8,
    "search.interface": 9,
    "search": 11,  # the package itself, which hands out the Python interface: nothing imports it by its bare name
}
COMMANDS = 10
"""What is directly under search/ and no package: one thin `main` a file. Commands import `search.command`."""

MAY_NOT = {
    "spaces": {"torch", "torchvision", "timm", "optuna", "ray", "albumentations"},
    "search.data": {"torch", "torchvision", "timm", "optuna", "ray", "albumentations"},
    "models": {"optuna", "ray", "albumentations"},
    "search.training": {"optuna", "ray"},
}


def rank(module: Module) -> int:
    return RANKS.get(module.layer, COMMANDS)


def product() -> tuple[Module, ...]:
    return modules(*PACKAGES)


def graph() -> dict[str, set[str]]:
    known = frozenset(module.name for module in product())
    return {module.name: own_imports(module, known) - {module.name} for module in product()}


def test_packages_import_nothing_from_above() -> None:
    by_name = {module.name: module for module in product()}
    upwards = [
        f"{name} imports {used}"
        for name, all_used in graph().items()
        for used in sorted(all_used)
        if rank(by_name[used]) > rank(by_name[name])
    ]
    assert not upwards


def test_every_package_has_a_rank() -> None:
    packages = {module.layer for module in product() if module.path.name == "__init__.py"}
    assert packages <= set(RANKS)


def test_data_does_not_import_models() -> None:
    """`search.data` stands beside `models`, not above it."""
    assert not [name for name, used in graph().items() if name.startswith("search.data") and "models" in str(used)]


def test_modules_do_not_import_each_other_in_circles() -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' -> '.join(error.args[1])}")


def test_commands_do_not_import_commands() -> None:
    frame = {"search.command", "search.errors"}
    by_name = {module.name: module for module in product()}
    commands = {name for name, module in by_name.items() if rank(module) == COMMANDS} - frame
    assert commands, "no command was found"
    crossing = {name: used & commands for name, used in graph().items() if used & commands}
    assert not crossing


def test_one_package_imports_ray() -> None:
    assert importing("ray")
    assert {place.rpartition("/")[0] for place in importing("ray")} == {"search/tuning/ray"}


def test_one_module_imports_albumentations() -> None:
    assert importing("albumentations") == {"search/training/augmentation.py"}


def test_optuna_stays_where_studies_are_kept() -> None:
    """Everything else sees a trial as a TrialRecord."""
    assert importing("optuna") == {
        "search/tuning/board/view.py",
        "search/tuning/importance.py",
        "search/tuning/parameters.py",
        "search/tuning/reading.py",
        "search/tuning/record.py",
        "search/tuning/sampler.py",
        "search/tuning/session.py",
        "search/tuning/storage.py",
        "search/tuning/study.py",
    }


@pytest.mark.parametrize("layer", MAY_NOT)
def test_layers_know_nothing_of_libraries_above_them(layer: str) -> None:
    inside = [module for module in product() if module.layer == layer]
    assert inside
    assert not {
        module.place: libraries(module) & MAY_NOT[layer] for module in inside if libraries(module) & MAY_NOT[layer]
    }
