"""`hashes.json`: what a package holds and where it comes from, so that a changed file is noticed."""

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

from search.errors import StudyError
from search.selection.package.contents import HASHES_NAME
from search.tuning.best import PACKAGES, BestConfig
from spaces.schema import Config

EXPORTERS = ("numpy", "safetensors", "onnx", "onnxscript", "onnxruntime")


class Hashes(Config):
    """sha256 of every other file of the package, by name, and of what it was made from; versions of what made it."""

    files: dict[str, str]
    data: str
    removed: str
    split: str
    configuration: str
    python: str
    packages: dict[str, str]


def hash_package(folder: Path, best: BestConfig) -> Hashes:
    """The hashes of all files in `folder`."""
    files = [path for path in sorted(folder.iterdir()) if path.name != HASHES_NAME]
    return Hashes(
        files={path.name: file_hash(path) for path in files},
        data=best.data.fingerprint,
        removed=best.data.removed_hash,
        split=best.data.split_fingerprint,
        configuration=hashlib.sha256(best.config.model_dump_json().encode()).hexdigest(),
        python=platform.python_version(),
        packages={name: version(name) for name in (*PACKAGES, *EXPORTERS)},
    )


def file_hash(path: Path) -> str:
    """The sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_hashes(folder: Path) -> Hashes:
    """Read `hashes.json`. Raises StudyError."""
    path = folder / HASHES_NAME
    try:
        return Hashes.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StudyError(
            f"{folder} is no package of search.export: {path} cannot be read ({error.strerror}). Export the study with "
            "uv run python -m search.export STUDY --to DIR"
        ) from error
    except ValueError as error:
        raise StudyError(f"{path} is not of this version of the tool: {error}") from error


def check_unchanged(folder: Path, names: tuple[str, ...]) -> None:
    """Raise StudyError where one of these files is not the exported one: its card would tell of another network."""
    known = read_hashes(folder).files
    for name in names:
        path = folder / name
        if not path.is_file():
            raise StudyError(f"the package {folder} has no {name}; export the study again, or copy the whole folder")
        if known.get(name) != file_hash(path):
            raise StudyError(
                f"{path} is not the file that was exported: its sha256 is not that of {HASHES_NAME}, so the numbers in "
                "the card are not its own. Export the study again, or copy the whole folder"
            )
