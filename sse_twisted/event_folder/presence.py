"""Whether the event folder is still at its path: it may be renamed, unmounted, or on a disk that is unplugged."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from attrs import define, field
from msgspec import Struct

from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import FolderInUse, FolderLock


class FolderAway(OSError):
    """The event folder is not at its path; the message says what is there.

    ESTALE is what a network file system says of a file that is not there any more.
    """

    def __init__(self, why: str, path: Path) -> None:
        super().__init__(errno.ESTALE, why, str(path))


class HeldFolder(Struct, frozen=True):
    """A folder that is held open: its inode is not given to another one meanwhile."""

    handle: int
    status: os.stat_result


@define
class Presence:
    """The folders in which the collector started, held open. Its methods block."""

    folder: EventFolder
    lock: FolderLock
    _held: dict[Path, HeldFolder] = field(factory=dict, init=False)
    _event_id: str = field(default="", init=False)

    def hold(self) -> None:
        """Remember the folders as they are, in the locked event folder; raises OSError."""
        held: dict[Path, HeldFolder] = {}
        try:
            for path in (self.folder.root, self.folder.root / "gpslogs", self.folder.root / "motions"):
                handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                held[path] = HeldFolder(handle, os.fstat(handle))
        except OSError:
            _close(held)
            raise
        before, self._held = self._held, held
        _close(before)
        self._event_id = self.folder.event_id()

    def release(self) -> None:
        _close(self._held)
        self._held = {}

    def check(self) -> None:
        """Raise FolderAway unless the folders at their paths are those that are held, and the lock is ours."""
        for path, held in self._held.items():
            _check_same(path, held)
        if self._held and self.lock.keeps_nobody_out():
            raise FolderAway("the lock of the event folder is not the collector's", self.folder.root)

    def find_again(self) -> bool:
        """Take back a folder that was away; raises FolderAway. Returns whether it comes from another mount.

        A disk that is plugged in again may have another device number, so the event's random name counts. Of a
        folder that is still open elsewhere, another one with the same name is a copy.
        """
        root = self.folder.root
        is_new = False
        for path, held in self._held.items():
            try:
                _check_same(path, held)
            except FolderAway:
                if path != root or not self._event_id or self.folder.event_id() != self._event_id:
                    raise
                if self.lock.is_writable():
                    text = "a copy of the event folder is in its place; the original is still open"
                    raise FolderAway(text, root) from None
                is_new = True
                break
        self._lock_again()
        if is_new:
            self.hold()
        return is_new

    def _lock_again(self) -> None:
        try:
            self.lock.acquire_again()
        except FolderInUse as error:
            raise FolderAway(str(error), self.folder.root) from None
        except OSError as error:
            raise FolderAway(f"the event folder cannot be locked: {error.strerror}", self.folder.root) from None


def _check_same(path: Path, held: HeldFolder) -> None:
    try:
        found = path.stat()
    except OSError as error:
        raise FolderAway(f"the event folder is not there: {error.strerror}", path) from None
    if not os.path.samestat(found, held.status):
        raise FolderAway("another folder is in the place of the event folder", path)


def _close(held: dict[Path, HeldFolder]) -> None:
    for folder in held.values():
        with contextlib.suppress(OSError):
            os.close(folder.handle)
