"""Writing files whole, and telling a place that cannot be written from other errors."""

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM)


class UnwritableError(OSError):
    """A file cannot be written: the disk is full or broken, or the place is not ours."""


def is_unwritable(error: OSError) -> bool:
    """Whether an error of a write is about a full disk or a place that may not be written."""
    return error.errno in UNWRITABLE


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all: a full disk or a kill leaves what was there before. Raises OSError."""
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes | str]) -> None:
    """Write files of which each is whole, and none is new where the disk is too full for all. Raises OSError."""
    temporaries = {path: path.with_name(f".{path.name}.tmp") for path in contents}
    try:
        for path, content in contents.items():
            temporaries[path].write_bytes(content.encode() if isinstance(content, str) else content)
        for path, temporary in temporaries.items():
            os.replace(temporary, path)
    except OSError as error:
        for temporary in temporaries.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        if is_unwritable(error):
            raise UnwritableError(error.errno, error.strerror, error.filename or str(next(iter(contents)))) from error
        raise


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where there is none. Raises OSError, UnwritableError as writing does."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_unwritable(error):
            raise UnwritableError(error.errno, error.strerror, str(path)) from error
        raise
