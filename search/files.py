"""Writing files whole, and what a system says of a place that cannot be written."""

import errno
import os
from pathlib import Path

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM)


def is_unwritable(error: OSError) -> bool:
    """Whether an error is about a full disk or a place that may not be written; other errors are not."""
    return error.errno in UNWRITABLE


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all: a full disk or a kill leaves what was there before. Raises OSError."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
