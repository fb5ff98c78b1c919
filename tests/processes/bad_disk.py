"""The event folder on a disk with faults: `tests.support.bad_disk`, mounted for a test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define, field

from tests.support import bad_disk


@define
class Disk:
    """A disk that is mounted at `mount_point`; its faults come and go while it is."""

    mount_point: Path
    source: Path  # the same files, without the faults
    control: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _connection: str = field(default="", init=False)  # the kernel's name of it

    def mount(self) -> None:
        command = [sys.executable, "-m", "tests.support.bad_disk"]
        command += map(str, (self.source, self.mount_point, self.control))
        self._process = process = subprocess.Popen(command)
        while not os.path.ismount(self.mount_point):
            if process.poll() is not None:
                pytest.skip("no FUSE file system can be mounted here")
            time.sleep(0.01)
        self._connection = str(os.minor(self.mount_point.stat().st_dev))

    def hide(self) -> None:
        """Take it from its mount point; what is open on it goes on."""
        subprocess.run(["umount", "-l", self.mount_point], check=False)

    def unmount(self) -> None:
        """Take it away, whatever is still open on it."""
        self.hide()
        if self._process is not None:
            self._process.kill()  # what still waits for it fails
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Let no call return.

        It stops between two calls: the kernel lets no process go, not even after SIGKILL, whose call was already taken.
        """
        assert self._process is not None
        state = Path(f"/proc/{self._process.pid}/stat")
        while True:
            self._signal(signal.SIGSTOP)
            while state.read_bytes().rpartition(b")")[2].split()[0] != b"T":
                time.sleep(0.001)
            if not self._calls_under_way():
                return
            self._signal(signal.SIGCONT)
            time.sleep(0.002)

    def _calls_under_way(self) -> int:
        """Ask the kernel for the number of calls that have not returned."""
        control = self.control / "fuse"
        control.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "fusectl", "none", control], check=True)
        try:
            return int((control / self._connection / "waiting").read_text())
        finally:
            subprocess.run(["umount", control], check=True)

    def answer(self) -> None:
        """End `hang`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def begin(self, *faults: str) -> None:
        for fault in faults:
            (self.control / fault).touch()

    def end(self, fault: str) -> None:
        (self.control / fault).unlink()

    @contextmanager
    def below(self) -> Iterator[Path]:
        """Show the folder under the mount point, before the disk is there."""
        self.unmount()
        yield self.mount_point
        self.mount()

    def calls(self) -> list[tuple[int, str]]:
        """Thread, and name and path, of each call so far that a program has made."""
        lines = (self.control / bad_disk.CALLS).read_text().splitlines()
        return [(int(thread), call) for thread, _, call in (line.partition(" ") for line in lines)]


def disk_at(folder: Path, root: Path) -> Iterator[Disk]:
    """Put a folder, with what is in it, on a disk with faults."""
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("only root can mount a disk, with FUSE")
    try:
        import mfusepy  # type: ignore[import-untyped]  # noqa: F401 - it has no annotations
    except (ImportError, OSError) as error:
        pytest.skip(f"no libfuse: {error}")
    disk = Disk(folder, root / "source", root / "control")
    shutil.copytree(folder, disk.source)
    disk.control.mkdir()
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()
