"""The project's own source files, and what they import: what the policy tests read."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("spaces", "models", "search")
FOLDERS = (*PACKAGES, "tests", "benchmarks", "docs")
IMPORT_NAMES = {
    "cv2": "opencv-python-headless",
    "huggingface_hub": "huggingface-hub",
    "iterstrat": "iterative-stratification",
    "mlflow": "mlflow-skinny",
    "optuna_dashboard": "optuna-dashboard",
    "PIL": "pillow",
    "pytorch_optimizer": "pytorch-optimizer",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Distributions whose name is not the name that is imported."""


@dataclass(frozen=True)
class Module:
    """A source file: its dotted name and its path."""

    name: str
    path: Path

    @property
    def place(self) -> str:
        """The path inside the checkout."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return _parse(self.path)

    @property
    def layer(self) -> str:
        """The package that the layering is about: `spaces`, `models`, `search.NAME`."""
        parts = self.name.split(".")
        return ".".join(parts[:2]) if parts[0] == "search" else parts[0]


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Every Python file of these folders."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(Module(_dotted(path), path) for path in paths)


def imports(module: Module) -> Iterator[str]:
    """The dotted name of everything that a file imports, also inside functions: `a.b` and `a.b.name`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.place}:{node.lineno} imports relatively; name the package"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(module: Module, known: frozenset[str]) -> set[str]:
    """The project's modules that a file imports."""
    return {name for name in imports(module) if name in known}


def libraries(module: Module) -> set[str]:
    """The top-level names of other people's packages that a file imports."""
    tops = {name.partition(".")[0] for name in imports(module)}
    return tops - sys.stdlib_module_names - set(FOLDERS)


def importing(library: str) -> set[str]:
    """The places in the product that import a library."""
    return {module.place for module in modules(*PACKAGES) if library in libraries(module)}


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
