"""Bring files and folders to disk: each by itself, or with the whole file system if that is expected to be faster.

A flash card takes 20 to 100 ms for any sync. For a hundred files `syncfs` then takes a hundredth of the time, while on
a fast disk, or beside a program that writes a lot, it takes longer than a few fsyncs.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

# Errors of file systems that do not know a call, as network and FUSE file systems and WSL2's /mnt/c.
UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EPERM})

# Linux file systems whose syncfs also makes the disk write what it has cached, and those where an fsync must do that.
# Those of FUSE and of the network are in neither: their syncfs does not reach the disk.
FLUSHED = frozenset({"ext3", "ext4", "xfs", "btrfs", "f2fs"})
NOT_FLUSHED = frozenset({"ext2", "vfat", "exfat"})
WAIT_BEFORE = 1  # of sync_file_range: wait for bytes on their way, and tell whether they got there
FORGETTING = 0.8  # by which a long syncfs counts less each time that it is not used


def sync_open(descriptor: int) -> None:
    """Fsync an open file or folder; raises OSError.

    A folder that the file system cannot fsync is left as it is: nothing better can be done.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED or not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise


class FileSync:
    """Syncs any number of descriptors together, and remembers how long either way takes."""

    def __init__(self, seconds: Callable[[], float] = time.perf_counter) -> None:
        self._seconds = seconds
        self._one = 0.0  # s of an fsync, recently
        self._all = 0.0  # s of a syncfs, recently; 0 until one was tried

    def sync(self, descriptors: Iterable[int]) -> dict[int, OSError]:
        """Sync descriptors, some of which may be of the same file; return the errors by descriptor. Blocks."""
        same: dict[int, dict[int, list[int]]] = {}
        for descriptor in descriptors:
            status = os.fstat(descriptor)
            same.setdefault(status.st_dev, {}).setdefault(status.st_ino, []).append(descriptor)
        errors: dict[int, OSError] = {}
        for device, files in same.items():
            together = self._together(device, len(files))
            errors |= self._sync_all(list(files.values()), together) if together else self._sync_each(files.values())
        return errors

    def _together(self, device: int, count: int) -> str:
        """Return the type of a file system that is to be synced as a whole; "" to sync each file."""
        if count < 2 or count * self._one < self._all or _libc() is None:
            self._all *= FORGETTING
            return ""
        kind = file_system(device)
        return kind if kind in FLUSHED | NOT_FLUSHED else ""

    def _sync_each(self, files: Iterable[list[int]]) -> dict[int, OSError]:
        errors: dict[int, OSError] = {}
        for same in files:
            start = self._seconds()
            try:
                sync_open(same[0])
            except OSError as error:
                errors |= dict.fromkeys(same, error)
            self._one = _recent(self._one, self._seconds() - start)
        return errors

    def _sync_all(self, files: list[list[int]], kind: str) -> dict[int, OSError]:
        libc = _libc()
        start = self._seconds()
        some = files[0][0]
        try:
            _call(libc.syncfs, some)
            if kind in NOT_FLUSHED:
                sync_open(some)
        except OSError as error:
            return {descriptor: error for same in files for descriptor in same}
        self._all = _recent(self._all, self._seconds() - start)
        errors: dict[int, OSError] = {}
        for same in files:
            try:  # an error before `some` was opened is known by the file's own descriptor only
                _call(libc.sync_file_range, same[0], ctypes.c_int64(0), ctypes.c_int64(0), WAIT_BEFORE)
            except OSError as error:
                errors |= dict.fromkeys(same, error)
        return errors


def file_system(device: int) -> str:
    """Return the type of the mounted file system of a device number, as in `os.stat`; "" if it is unknown. Blocks."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.split()
                if len(fields) > 2 and fields[2] == number and "-" in fields:
                    return fields[fields.index("-") + 1]
    except OSError:
        pass
    return ""


def _recent(before: float, now: float) -> float:
    return (before + now) / 2 if before else now


@functools.cache
def _libc() -> Any:
    """Return the C library if it has what Linux has, else None."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc if hasattr(libc, "syncfs") and hasattr(libc, "sync_file_range") else None


def _call(function: Any, *args: Any) -> None:
    if function(*args):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
