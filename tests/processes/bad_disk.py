"""The event folder on a disk with faults: `tests.support.bad_disk`, mounted for a test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define, field

from tests.processes.fuse import FuseServer
from tests.support.disk_faults import CALLS


@define
class Disk:
    """A disk that is mounted at `mount_point`; its faults come and go while it is."""

    mount_point: Path
    source: Path  # the same files, without the faults
    control: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _server: FuseServer | None = field(default=None, init=False)

    def mount(self) -> None:
        command = [sys.executable, "-m", "tests.support.bad_disk"]
        command += map(str, (self.source, self.mount_point, self.control))
        self._process = process = subprocess.Popen(command)
        while not os.path.ismount(self.mount_point):
            if process.poll() is not None:
                pytest.skip("no FUSE file system can be mounted here")
            time.sleep(0.01)
        self._server = FuseServer.of(process.pid, self.mount_point, self.control / "fuse")

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
        """Let no call return."""
        assert self._server is not None
        self._server.hang()

    def answer(self) -> None:
        """End `hang`."""
        assert self._server is not None
        self._server.answer()

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
        lines = (self.control / CALLS).read_text().splitlines()
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
