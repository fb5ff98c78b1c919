"""The files of a copy, by their paths relative to an open folder: nothing is done where a disk was that has gone."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO

from attrs import define, field

from sse_twisted.copies.source import STATE
from sse_twisted.runtime.file_sync import sync_open

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@define(eq=False)
class Tree:
    """Files below the folder that is open as `root`, each in a folder of it. Methods block, and raise OSError.

    Links are not followed. `touched` are handles of the folders whose names have changed.
    """

    _root: int
    touched: set[int] = field(factory=set, init=False)
    _stack: ExitStack = field(factory=ExitStack, init=False)
    _folders: dict[str, int] = field(factory=dict, init=False)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Close all handles at the end of the block."""
        with self._stack:
            yield

    def place(self, path: str) -> tuple[int, str]:
        """Return a handle of the folder of a file, which is made if missing, and the name in it."""
        folder, _, name = path.rpartition("/")
        return self._folder(folder), name

    def create(self, path: str, mode: int) -> int:
        """Return a handle of a new file, which is closed with the others."""
        folder, name = self.place(path)
        handle = os.open(name, NEW_FILE, mode, dir_fd=folder)
        self._stack.callback(os.close, handle)
        return handle

    def open(self, path: str) -> BinaryIO:
        folder, name = self.place(path)
        return os.fdopen(os.open(name, FILE_FLAGS, dir_fd=folder), "rb")

    def size(self, path: str) -> int | None:
        """Return the bytes of a file, None without one."""
        folder, name = self.place(path)
        with suppress(FileNotFoundError):
            return os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
        return None

    def real_name(self, path: str) -> str:
        """Return the name of a file as its folder lists it: some disks take names for one that differ by case only.

        "" without a file, or if none of the names is alike.
        """
        folder, name = self.place(path)
        if self.size(path) is None:
            return ""
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
        return name if name in names else next((each for each in names if _alike(each) == _alike(name)), "")

    def set_time(self, path: str, mtime_ns: int) -> None:
        """Set the time of a file, if its file system can."""
        folder, name = self.place(path)
        with suppress(OSError):
            os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=folder, follow_symlinks=False)

    def move(self, old: str, new: str) -> None:
        """Rename a file, and replace what is at its new path."""
        (source, old_name), (target, new_name) = self.place(old), self.place(new)
        os.rename(old_name, new_name, src_dir_fd=source, dst_dir_fd=target)
        self.touched |= {source, target}

    def link(self, path: str, other: str) -> None:
        """Give a file another path, too."""
        (source, name), (target, other_name) = self.place(path), self.place(other)
        os.link(name, other_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        folder, name = self.place(path)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
            self.touched.add(folder)

    def _folder(self, folder: str) -> int:
        if not folder:
            return self._root
        if folder not in self._folders:
            above, _, name = folder.rpartition("/")
            outer = self._folder(above)
            try:
                handle = os.open(name, FOLDER_FLAGS, dir_fd=outer)
            except FileNotFoundError:
                os.mkdir(name, 0o700 if folder == STATE else 0o777, dir_fd=outer)
                sync_open(outer)
                handle = os.open(name, FOLDER_FLAGS, dir_fd=outer)
            self._stack.callback(os.close, handle)
            self._folders[folder] = handle
        return self._folders[folder]


def _alike(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
