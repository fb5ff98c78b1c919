"""The end of a process whose disk hangs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import sys
from pathlib import Path
from typing import NoReturn

CLONE_FILES = 0x400  # of clone(2): one table of open files for both processes
CLONE = {"x86_64": 56, "aarch64": 220, "riscv64": 220, "armv7l": 120, "i686": 120}  # numbers of clone(2)
MAX_STAY = 10  # s that the child stays at most
STEP = 10_000  # µs between two looks whether the process has gone


def leave(status: int) -> NoReturn:
    """End the process at once, although files are open on a disk that hangs.

    Who closes a file of exFAT or of another FUSE file system waits until the disk has taken it, and so does the end of
    a process, not even SIGKILL changes that. A child that shares the table of open files leaves nothing to close; it
    waits for the disk instead, and keeps the lock of the event folder until then. Nothing ends a process of which a
    thread is in a call that the disk has already taken.
    """
    _close_pipes_and_sockets()
    _share_open_files()
    os._exit(status)


def _close_pipes_and_sockets() -> None:
    """Let others see that they have ended; the child would keep them open."""
    try:
        for link in list(Path("/proc/self/fd").iterdir()):
            with contextlib.suppress(OSError):
                if not link.readlink().is_absolute():
                    os.close(int(link.name))
    except OSError:  # without /proc there is no child either
        return


def _share_open_files() -> None:
    """Start a child that ends after this process. Not by `os.fork`, which copies the table."""
    number = CLONE.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return
    libc = ctypes.PyDLL(None)  # it keeps the GIL, for which the child could wait for ever
    process, none = os.getpid(), ctypes.c_long(0)
    if libc.syscall(ctypes.c_long(number), ctypes.c_long(CLONE_FILES), none, none, none, none) == 0:
        signal.alarm(MAX_STAY)
        while os.getppid() == process:
            libc.usleep(STEP)
        os._exit(0)
