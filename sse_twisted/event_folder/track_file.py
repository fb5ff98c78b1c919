"""Open a track of the event folder for reading. None of this raises OSError."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from sse_twisted.runtime.bounded_file import open_regular

Mark = tuple[int, ...]  # of a file, until it changes


def open_track(root: Path, local_file: str) -> BinaryIO | None:
    """Open a track; None unless `local_file`, below `root`, is a regular file below `gpslogs`.

    A foreign ledger may name a path with invalid characters, a link to another folder, or a pipe that blocks forever.
    """
    try:
        path = (root / local_file).resolve(strict=True)
        if not path.is_relative_to((root / "gpslogs").resolve()) or not path.is_file():
            return None
        return open_regular(path)
    except (OSError, ValueError, RuntimeError):  # RuntimeError: symbolic links in a circle
        return None


def marked_bytes(root: Path, local_file: str, most: int) -> tuple[bytes, Mark] | None:
    """Return the first `most` bytes of a track, and the mark of its file.

    None as for `open_track`, or if it cannot be read.
    """
    if (file := open_track(root, local_file)) is None:
        return None
    try:
        with file:  # `read` takes memory for all that it may read, and new pages of it for each track
            status = os.fstat(file.fileno())
            return file.read(min(most, status.st_size)), mark_of(status)
    except OSError:
        return None


def mark_of(status: os.stat_result) -> Mark:
    """Return what a file has as long as nobody writes to it, or puts another one in its place; a rename keeps it."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
