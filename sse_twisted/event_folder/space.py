"""Room on the disk of the tracks: what a transfer may write, beside the others that are under way."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

from sse_twisted.runtime.disk import PathTrouble

SLACK = 64 * 1024  # bytes that a device may send beyond the listed length of a track
COMMON_TRACK = 4_000_000  # bytes; 99 of 100 tracks have less. A disk without room for one is full
MB = 1_000_000


class NoRoom(PathTrouble):
    """The disk has room, but not for this track."""


@define(eq=False)
class DiskSpace:
    """Shares out the free bytes above the reserve among the transfers under way, by the paths of their partial files.

    Its methods block, and may raise OSError.
    """

    _free: Callable[[], int]  # bytes
    _reserve: Callable[[], int]  # bytes that always stay free
    _booked: dict[Path, int] = field(factory=dict, init=False)  # bytes that each transfer has still to write
    _needed: int = field(default=0, init=False)  # bytes above the reserve, with which downloads resume

    def room(self) -> int:
        """Return the free bytes above the reserve; negative if the reserve is touched."""
        return self._free() - self._reserve()

    def book(self, path: Path, size: int) -> None:
        """Keep `size` bytes for a transfer; raises OSError if the disk is full, NoRoom if it has room for others."""
        room = self.room()
        if room < min(size, COMMON_TRACK):
            raise self._full(room, size)
        self._book(path, size, room)

    def book_unlisted(self, path: Path, size: int) -> None:
        """Keep `size` bytes for a body that is longer than listed; raises NoRoom, for only its device is to blame."""
        self._book(path, size, self.room())

    def _book(self, path: Path, size: int, room: int) -> None:
        others = sum(size for other, size in self._booked.copy().items() if other != path)
        if room - others < size:
            raise NoRoom(f"no room for {size / MB:,.1f} MB: {max(room - others, 0) / MB:,.1f} MB above the reserve")
        self._booked[path] = size

    def take(self, path: Path, size: int) -> None:
        """Take bytes that are about to be written; raises OSError if they would touch the reserve."""
        room = self.room()
        if room < size:
            raise self._full(room, self._booked.get(path, size))
        self._booked[path] = max(self._booked.get(path, 0) - size, 0)

    def release(self, path: Path) -> None:
        """Forget a transfer that has ended. Does not block."""
        self._booked.pop(path, None)

    def check(self) -> None:
        """Raise OSError as long as there is no room for the track that was refused."""
        if (room := self.room()) < self._needed:
            raise self._full(room, self._needed)
        self._needed = 0

    def _full(self, room: int, size: int) -> OSError:
        self._needed = min(size, COMMON_TRACK)
        return OSError(errno.ENOSPC, f"only {max(room + self._reserve(), 0) / MB:,.0f} MB free")


def believable_length(length: int, largest: int) -> int:
    """Return the length of a track, in bytes; 0 if no track can have the listed one."""
    return length if 0 <= length <= largest else 0
