"""One collector per event folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from pathlib import Path

from sse_twisted.runtime.file_sync import UNSUPPORTED

LOCK = ".sse_twisted.lock"


class FolderInUse(Exception):
    """Another collector uses this event folder; the message names its process and host."""


class FolderLock:
    """A lock that the kernel releases when the process ends, for whatever reason.

    `flock` rather than a file with a process number: after a power cut another process may have that number. A file
    system without `flock` keeps nobody out; `is_kept` says so.
    """

    def __init__(self, folder: Path) -> None:
        self.is_kept = True  # whether the file system keeps others out
        self._path = folder / LOCK
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and write process and host into it. Raises FolderInUse or OSError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            self.is_kept = _flock(descriptor, fcntl.LOCK_EX)
        except BlockingIOError:
            holder = os.read(descriptor, 200)
            os.close(descriptor)
            raise _in_use(self._path, holder) from None
        except OSError:
            os.close(descriptor)
            raise
        self.release()
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # on a full disk the lock holds without the text
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _holder(), 0)

    def acquire_again(self) -> None:
        """Take the lock in a folder that was away. Raises as `acquire`."""
        if not self._is_mine():
            self.acquire()

    def keeps_nobody_out(self) -> bool:
        """Whether the lock was never taken, or another file is at its path. One that was removed is taken again."""
        return self._descriptor is None or (not self._is_mine() and self._path.exists())

    def is_writable(self) -> bool:
        """Whether the file of the lock is still on a disk that takes what is written, wherever it is now."""
        if self._descriptor is None:
            return False
        try:
            if not os.fstat(self._descriptor).st_nlink:  # it was removed, so its folder will not come back
                return False
            os.pwrite(self._descriptor, _holder(), 0)
            os.fsync(self._descriptor)
        except OSError:
            return False
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_mine(self) -> bool:
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(self._path.lstat(), os.fstat(self._descriptor))
        except OSError:
            return False


def _holder() -> bytes:
    return f"process {os.getpid()} on {socket.gethostname()}\n".encode()


def _flock(descriptor: int, operation: int) -> bool:
    """Lock without waiting; return whether the file system knows `flock`. Raises BlockingIOError or OSError."""
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return False
    return True


def check_free(folder: Path) -> None:
    """Raise FolderInUse if a collector uses the folder. Writes nothing, so any user may call it."""
    path = folder / LOCK
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with contextlib.suppress(FileNotFoundError, PermissionError), os.fdopen(os.open(path, flags), "rb") as file:
        try:
            _flock(file.fileno(), fcntl.LOCK_SH)
        except BlockingIOError:
            raise _in_use(path, file.read(200)) from None


def _in_use(path: Path, holder: bytes) -> FolderInUse:
    who = "".join(filter(str.isprintable, holder.decode(errors="replace"))).strip() or "unknown process"
    return FolderInUse(f"{path.parent} is in use by another collector ({who}); stop it or use another folder")
