"""One collector per event folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from pathlib import Path

LOCK = ".sse_twisted.lock"


class FolderInUse(Exception):
    """Another collector uses this event folder; the message names its process and host."""


class FolderLock:
    """A lock that the kernel releases when the process ends, for whatever reason.

    `flock` rather than a file with a process number: after a power cut another process may have that number.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and write process and host into it. Raises FolderInUse or OSError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 200)
            os.close(descriptor)
            raise _in_use(self._path, holder) from None
        except OSError:
            os.close(descriptor)
            raise
        with contextlib.suppress(OSError):  # on a full disk the lock holds without the text
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def check_free(folder: Path) -> None:
    """Raise FolderInUse if a collector uses the folder. Writes nothing, so any user may call it."""
    path = folder / LOCK
    with contextlib.suppress(FileNotFoundError, PermissionError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(path, file.read(200)) from None


def _in_use(path: Path, holder: bytes) -> FolderInUse:
    who = "".join(filter(str.isprintable, holder.decode(errors="replace"))).strip() or "unknown process"
    return FolderInUse(f"{path.parent} is in use by another collector ({who}); stop it or use another folder")
