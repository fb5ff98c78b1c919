"""A FUSE file system for tests: what is below it, with the faults that real disks have.

`python -m tests.support.bad_disk SOURCE MOUNT_POINT CONTROL` serves SOURCE until it is unmounted. Each empty file in
the folder CONTROL is a fault, from when it is there until it is removed. The file `calls` there lists all calls, each
with the thread that has made it. A disk that hangs is this process after SIGSTOP.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import time
from pathlib import Path
from threading import Lock
from typing import Any

import mfusepy  # type: ignore[import-untyped]  # it has no annotations

from tests.support.disk_faults import CALLS, DEAD, NO_CHMOD, NO_FLOCK, NO_FOLDER_SYNC, SLOW


class BadDisk(mfusepy.Operations):  # type: ignore[misc]
    """Passes each call on, after its faults.

    It has no `flush`. exfat-fuse has: there a process that closes a file waits for the disk, even at its end.
    """

    use_ns = True

    def __init__(self, source: Path, control: Path) -> None:
        self._source = source
        self._control = control
        self._calls = (control / CALLS).open("a", buffering=1)
        self._lock = Lock()

    def _is(self, fault: str) -> bool:
        return os.path.exists(self._control / fault)

    def _path(self, path: str, call: str) -> str:
        """Return the path below the source; write the call down, and raise as the faults want it."""
        thread = mfusepy.fuse_get_context()[2]
        with self._lock:
            self._calls.write(f"{thread} {call} {path}\n")
        if self._is(DEAD):
            raise mfusepy.FuseOSError(errno.EIO)
        if self._is(SLOW):
            time.sleep(1)
        return f"{self._source}{path}"

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        return _attributes(os.lstat(self._path(path, "getattr")))

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, Any], int]]:
        """Return the entries with their attributes: the kernel skips those without a number."""
        with os.scandir(self._path(path, "readdir")) as entries:
            return [(entry.name, _attributes(entry.stat(follow_symlinks=False)), 0) for entry in entries]

    def statfs(self, path: str) -> dict[str, int]:
        status = os.statvfs(self._path(path, "statfs"))
        return {name: getattr(status, name) for name in dir(status) if name.startswith("f_") and name != "f_fsid"}

    def open(self, path: str, flags: int) -> int:
        return os.open(self._path(path, "open"), flags & ~os.O_NOFOLLOW)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return os.open(self._path(path, "create"), os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._path(path, "read")
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._path(path, "write")
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        os.truncate(self._path(path, "truncate"), length)
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._path(path, "fsync")
        os.fsync(fh)
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self._path(path, "fsyncdir")
        if self._is(NO_FOLDER_SYNC):
            raise mfusepy.FuseOSError(errno.EINVAL)
        return 0

    def flock(self, path: str, fh: int, op: int) -> int:
        self._path(path, "flock")
        if self._is(NO_FLOCK):
            raise mfusepy.FuseOSError(errno.ENOTSUP)
        fcntl.flock(fh, op | fcntl.LOCK_NB)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        place = self._path(path, "chmod")
        if self._is(NO_CHMOD):
            raise mfusepy.FuseOSError(errno.EPERM)
        os.chmod(place, mode)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        os.mkdir(self._path(path, "mkdir"), mode)
        return 0

    def rmdir(self, path: str) -> int:
        os.rmdir(self._path(path, "rmdir"))
        return 0

    def unlink(self, path: str) -> int:
        os.unlink(self._path(path, "unlink"))
        return 0

    def rename(self, old: str, new: str) -> int:
        os.rename(self._path(old, "rename"), f"{self._source}{new}")
        return 0

    def link(self, target: str, source: str) -> int:
        os.link(f"{self._source}{source}", self._path(target, "link"))
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        os.utime(self._path(path, "utimens"), ns=times or (time.time_ns(), time.time_ns()))
        return 0


def _attributes(status: os.stat_result) -> dict[str, Any]:
    names = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size")
    times = {f"st_{letter}time": getattr(status, f"st_{letter}time_ns") for letter in "amc"}
    return {name: getattr(status, name) for name in names} | times


def main(source: str, mount_point: str, control: str) -> None:
    uncached = dict.fromkeys(("attr_timeout", "entry_timeout", "negative_timeout"), 0)  # each call is ours to see
    mfusepy.FUSE(
        BadDisk(Path(source), Path(control)), mount_point, foreground=True, nonempty=True, use_ino=True, **uncached
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
