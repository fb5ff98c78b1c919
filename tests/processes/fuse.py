"""A FUSE file system that hangs and answers again, whatever program serves it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from attrs import frozen


@frozen
class FuseServer:
    """The process that serves a mounted FUSE file system."""

    process: int
    mount_point: Path
    control: Path  # a folder for the kernel's own files about FUSE
    connection: str  # the kernel's name of it

    @classmethod
    def of(cls, process: int, mount_point: Path, control: Path) -> FuseServer:
        """Return the server of what is mounted; `control` may be missing."""
        device = mount_point.stat().st_dev
        return cls(process, mount_point, control, str(os.major(device) << 20 | os.minor(device)))

    def hang(self) -> None:
        """Let no call return.

        It stops between two calls: the kernel lets no process go, not even after SIGKILL, whose call was already taken.
        """
        state = Path(f"/proc/{self.process}/stat")
        while True:
            os.kill(self.process, signal.SIGSTOP)
            while state.read_bytes().rpartition(b")")[2].split()[0] != b"T":
                time.sleep(0.001)
            if not self._calls_under_way():
                return
            self.answer()
            time.sleep(0.002)

    def answer(self) -> None:
        """End `hang`."""
        os.kill(self.process, signal.SIGCONT)

    def _calls_under_way(self) -> int:
        """Ask the kernel for the number of calls that have not returned."""
        self.control.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "fusectl", "none", self.control], check=True)
        try:
            return int((self.control / self.connection / "waiting").read_text())
        finally:
            subprocess.run(["umount", self.control], check=True)


def server_of(*words: str) -> int:
    """Return the process whose command line has these words; it has become a daemon."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if set(words) <= set(command):
            return int(folder.name)
    raise ProcessLookupError(words)
