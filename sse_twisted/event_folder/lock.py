"""One collector per event folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from sse_twisted.runtime.file_sync import UNSUPPORTED

LOCK = ".sse_twisted.lock"


class FolderInUse(Exception):
    """Another collector uses this event folder; the message names its process and host."""


class FolderLock:
    """A lock that the kernel releases when the process ends, for whatever reason.

    `flock` rather than a file with a process number: after a power cut another process may have that number. On a file
    system without `flock` the process counts that the file names, with its start, if it still runs on this computer;
    `is_kept` is false, because one on another computer is not kept out.
    """

    def __init__(self, folder: Path) -> None:
        self.is_kept = True  # whether the file system keeps others out
        self._path = folder / LOCK
        self._descriptor: int | None = None
        self._status: os.stat_result | None = None  # of the file that is open

    def acquire(self) -> None:
        """Take the lock and write process and host into it. Raises FolderInUse or OSError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            self.is_kept = _lock(descriptor, fcntl.LOCK_EX)
            status = os.fstat(descriptor)
        except BlockingIOError:
            holder = os.read(descriptor, 200)
            os.close(descriptor)
            raise _in_use(self._path, holder) from None
        except OSError:
            os.close(descriptor)
            raise
        self.release()
        self._descriptor, self._status = descriptor, status
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
            self._descriptor = self._status = None

    def _is_mine(self) -> bool:
        if self._status is None:
            return False
        try:
            return os.path.samestat(self._path.lstat(), self._status)
        except OSError:
            return False


def _holder() -> bytes:
    return f"process {os.getpid()} on {socket.gethostname()}\n{_start_of(os.getpid())}\n".encode()


def _start_of(process: int) -> str:
    """Return what no other process has in common: the boot, and the ticks from it to its start; "" if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path(f'/proc/{process}/stat').read_bytes().rpartition(b')')[2].split()[19].decode()}"
    except (OSError, IndexError):
        return ""


def _names_another(holder: bytes) -> bool:
    """Whether the text of a lock names another process that still runs on this computer."""
    first, _, start = holder.decode(errors="replace").strip().partition("\n")
    found = re.match(r"process (\d{1,9}) on ", first)
    return found is not None and bool(start) and int(found[1]) != os.getpid() and _start_of(int(found[1])) == start


def _lock(descriptor: int, operation: int) -> bool:
    """Lock like `flock`; without it, raise BlockingIOError if the file names another collector that runs."""
    is_kept = flock(descriptor, operation)
    if not is_kept and _names_another(os.pread(descriptor, 200, 0)):
        raise BlockingIOError
    return is_kept


def flock(descriptor: int, operation: int) -> bool:
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


@contextlib.contextmanager
def locked(folder: Path, handle: int) -> Iterator[None]:
    """Keep collectors out of a folder that is open as `handle`, while a block writes to it.

    Raises FolderInUse or OSError.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(LOCK, flags, 0o644, dir_fd=handle)
    try:
        try:
            _lock(descriptor, fcntl.LOCK_EX)
        except BlockingIOError:
            raise _in_use(folder / LOCK, os.read(descriptor, 200)) from None
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _holder(), 0)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def check_free(folder: Path) -> None:
    """Raise FolderInUse if a collector uses the folder. Writes nothing, so any user may call it."""
    path = folder / LOCK
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with contextlib.suppress(FileNotFoundError, PermissionError), os.fdopen(os.open(path, flags), "rb") as file:
        try:
            _lock(file.fileno(), fcntl.LOCK_SH)
        except BlockingIOError:
            raise _in_use(path, file.read(200)) from None


def _in_use(path: Path, holder: bytes) -> FolderInUse:
    first = holder.decode(errors="replace").partition("\n")[0]
    who = "".join(filter(str.isprintable, first)).strip() or "unknown process"
    return FolderInUse(f"{path.parent} is in use by another collector ({who}); stop it or use another folder")
