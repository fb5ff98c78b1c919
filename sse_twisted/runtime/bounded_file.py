"""Files that others can put where the collector reads: only regular files, and only of a bounded size."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MAX_DOCUMENT = 64 * 1024 * 1024  # bytes of a ledger, a listing, the saved state


class UnusableFile(OSError, ValueError):
    """A file that is not regular, or too large; the message says which."""


def read_bounded(path: Path, limit: int = MAX_DOCUMENT) -> bytes:
    """Return the bytes of a file. Blocks on nothing but the disk; raises UnusableFile or OSError.

    A device file would never end.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(limit + 1) if size <= limit else b""
    if max(len(data), size) > limit:
        raise UnusableFile(errno.EFBIG, f"larger than {limit:,} bytes", str(path))
    return data


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; raises UnusableFile for one that is not regular, or OSError.

    A pipe would block for ever.
    """
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - the caller closes it
    try:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UnusableFile(errno.EINVAL, "not a regular file", str(path))
    except OSError:  # of a disk that dies, too
        file.close()
        raise
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)


def owner_problem(path: Path) -> str:
    """Return why others may have written a file of secrets, or may replace it; "" if they may not. Raises OSError.

    File and folder must belong to the acting user or to root.
    """
    file, folder = path.stat(), path.parent.stat()
    for place, status in ((path, file), (path.parent, folder)):
        if status.st_uid not in (0, os.geteuid()):
            return f"{place} belongs to another user"
    if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        return f"all users can write to {path.parent}"
    return ""
