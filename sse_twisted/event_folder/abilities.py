"""What the file system of an event folder can't do, tried: network and FUSE file systems, exFAT and WSL2's /mnt/c."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from sse_twisted.runtime.file_sync import UNSUPPORTED

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keeps_others_out(folder: Path) -> bool:
    """Whether a folder is one that only the acting user or root can use; True for a missing one. Raises no OSError."""
    try:
        status = folder.stat(follow_symlinks=False)
    except OSError:
        return True
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid in (0, os.geteuid())
    return is_own and not status.st_mode & OTHERS


def remarks_on(root: Path, secrets: Path, names: tuple[str, ...]) -> Iterator[str]:
    """Yield what the file system of an event folder lacks, after trying it in a folder that is removed again.

    `secrets` is where the files `names` are if modes can't be kept. Blocks; raises no OSError. What can't be tried, on
    a full disk, is not remarked on.
    """
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(prefix=".sse_twisted.try-", dir=root) as name:
        folder = Path(name)
        if not keeps_others_out(folder):
            yield f"its file system keeps no file modes, so {', '.join(names)} are in {secrets}"
        if not _can(os.fsync, folder):
            yield "its file system cannot sync folders: after a power cut the newest file names may be missing"
        if not _can(lambda handle: fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB), folder / "lock"):
            yield "its file system knows no locks: make sure yourself that no collector on another computer works in it"


def _can(call: Callable[[int], object], path: Path) -> bool:
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT | os.O_EXCL
    handle = os.open(path, flags, 0o600)
    try:
        call(handle)
    except OSError as error:
        return error.errno not in UNSUPPORTED
    finally:
        os.close(handle)
    return True
