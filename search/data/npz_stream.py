"""The images of an npz file one after the other: ten thousand of them need not fit into memory at once."""

import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from search.data.npz import first_line, member_names, read_member
from search.errors import DataError

CHUNK = 256
"""Images read at once."""


def read_header(path: Path, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and number type of an array in the file. Raises DataError where it is none of plain numbers."""
    names = member_names(path)
    if name not in names:
        raise DataError(f"an npz file needs an array named {name!r}; {path.name} holds {names}")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            shape, _, dtype = _header(file)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise DataError(f"{name!r} in {path.name} is truncated or damaged: {first_line(error)}") from error
    if dtype.kind not in "buif":
        raise DataError(f"{name!r} in {path.name} must hold numbers, it holds {dtype}; pickled ones are never loaded")
    return shape, dtype


def iterate_images(path: Path, name: str) -> Iterator[np.ndarray]:
    """The entries of an array along its first axis, with the file's own values. Raises DataError."""
    read_header(path, name)
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            shape, in_columns, dtype = _header(file)
            if in_columns:
                yield from read_member(path, name)
                return
            for start in range(0, shape[0], CHUNK):
                part = (min(CHUNK, shape[0] - start), *shape[1:])
                yield from np.frombuffer(_exactly(file, math.prod(part) * dtype.itemsize), dtype).reshape(part)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise DataError(f"{name!r} in {path.name} is truncated or damaged: {first_line(error)}") from error


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _exactly(file: IO[bytes], count: int) -> bytes:
    content = file.read(count)
    if len(content) < count:
        raise EOFError("it ends too early")
    return content
