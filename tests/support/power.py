"""A disk that forgets at a power cut all that was not synced, as the worst of them do."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import define, field

from sse_twisted.runtime import file_sync


@define
class Cut:
    """What is left if the power fails at this moment: bytes and time of each file, and the names in each folder."""

    contents: dict[int, tuple[bytes, int]]  # by inode; the time in ns
    names: dict[int, dict[str, tuple[int, bool]]]  # by inode of the folder: inode, and whether it is a folder
    said: int  # lines of the log so far

    def leave(self, inode: int, target: Path) -> None:
        """Write what is left of a folder to a new one. A file whose bytes were not synced is empty."""
        target.mkdir()
        for name, (child, is_folder) in self.names.get(inode, {}).items():
            if is_folder:
                self.leave(child, target / name)
            else:
                data, written = self.contents.get(child, (b"", 0))
                (target / name).write_bytes(data)
                os.utime(target / name, ns=(written, written))


@define(eq=False)
class ForgetfulDisk:
    """Notes at each sync what would be left from then on."""

    root: Path
    lines: Callable[[], int]
    cuts: list[Cut] = field(factory=list)
    _contents: dict[int, tuple[bytes, int]] = field(factory=dict)
    _names: dict[int, dict[str, tuple[int, bool]]] = field(factory=dict)

    def install(self, patch: pytest.MonkeyPatch, *, whole: bool) -> None:
        """Take the place of fsync, and of syncfs if `whole`: the file system then can be synced as a whole."""
        patch.setattr(os, "fsync", self.fsync)
        patch.setattr(file_sync, "_libc", lambda: self if whole else None)
        patch.setattr(file_sync, "file_system", lambda _: "ext4")
        patch.setattr(file_sync.FileSync, "_sync_each", self._one_by_one)

    @staticmethod
    def _one_by_one(files: file_sync.FileSync, descriptors: list[list[int]]) -> dict[int, OSError]:
        for same in descriptors:
            os.fsync(same[0])
        return {}

    def fsync(self, descriptor: int) -> None:
        self._keep(Path(f"/proc/self/fd/{descriptor}").readlink(), os.fstat(descriptor))
        self._note()

    def syncfs(self, _: int) -> int:
        for folder, _folders, files in os.walk(self.root):
            self._keep(Path(folder), Path(folder).stat())
            for name in files:
                path = Path(folder) / name
                if path.is_file():
                    self._keep(path, path.stat())
        self._note()
        return 0

    def sync_file_range(self, *_: object) -> int:
        return 0

    def _keep(self, path: Path, status: os.stat_result) -> None:
        if stat.S_ISDIR(status.st_mode):
            entries = ((entry.name, entry.inode(), entry.is_dir()) for entry in os.scandir(path))
            self._names[status.st_ino] = {name: (inode, is_folder) for name, inode, is_folder in entries}
        elif path.exists():
            self._contents[status.st_ino] = path.read_bytes(), status.st_mtime_ns

    def _note(self) -> None:
        self.cuts.append(
            Cut(dict(self._contents), {key: dict(value) for key, value in self._names.items()}, self.lines())
        )

    def after(self, number: int, target: Path) -> Path:
        """What is left in the event folder after a cut, anew in `target`."""
        shutil.rmtree(target, ignore_errors=True)
        self.cuts[number].leave(self.root.stat().st_ino, target)
        return target
