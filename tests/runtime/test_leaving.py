"""Leaving a process, in one of its own."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from pathlib import Path

WITH_A_LOCK = """
import fcntl, sys
from sse_twisted.runtime.leaving import leave
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("before", flush=True)
leave(3)
"""


def test_the_process_ends_with_its_status_and_so_do_its_pipes_and_locks(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = subprocess.run([sys.executable, "-c", WITH_A_LOCK, path], stdout=subprocess.PIPE, timeout=60, check=False)
    assert (process.returncode, process.stdout) == (3, b"before\n")
    with path.open() as file:
        end = time.monotonic() + 60
        while not _lock(file.fileno()):  # the child may keep it for a moment
            assert time.monotonic() < end
            time.sleep(0.01)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
