"""Open a track of the event folder for reading. None of this raises OSError."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from sse_twisted.runtime.bounded_file import open_regular


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


def track_bytes(root: Path, local_file: str, most: int) -> bytes | None:
    """Return the first `most` bytes of a track; None as for `open_track`, or if it cannot be read."""
    if (file := open_track(root, local_file)) is None:
        return None
    try:
        with file:  # `read` takes memory for all that it may read, and new pages of it for each track
            return file.read(min(most, os.fstat(file.fileno()).st_size))
    except OSError:
        return None
