"""Verification of files that are records one after another, while they arrive.

A format says which records are sound, wherever they begin. What lies between them is damage. The result does not
depend on the chunks: the bytes at the expected place decide first, then the next sound record does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sse_twisted.tracks.format import UNKNOWN, Buffer, Damage, Header, Integrity

Octets: TypeAlias = NDArray[np.uint8]
Places: TypeAlias = NDArray[np.int64]  # offsets or lengths in bytes
Rows: TypeAlias = NDArray[Any]  # structured

BLOCK: Final = 256 * 1024  # bytes searched at once; they and their sums stay in the cache
DAMAGES_KEPT: Final = 1000
# Damages, records of unknown kinds that are searched for one by one, and sound records inside others. Behind so many,
# nothing is searched for: no real file comes near it.
MAX_IRREGULAR: Final = 50_000
GAP_KEPT: Final = 64 * 1024  # bytes of damage at the end of a file that are looked at as a harmless trailer


class Found(Struct, frozen=True, eq=False):
    """Sound records in a block by ascending start; they may overlap.

    `kinds` are numbers of the format's own. `anchors` are the indices of those that may follow damage; None: all.
    """

    starts: Places
    lengths: Places
    kinds: NDArray[np.uint8]
    anchors: Places | None = None


class Records(Struct, frozen=True, eq=False):
    """Records in the order of the file; starts are offsets in the file."""

    starts: Places
    lengths: Places
    kinds: NDArray[np.uint8]

    def of(self, kind: int) -> Places:
        """Return the starts of the records of one kind."""
        starts: Places = self.starts[self.kinds == kind]
        return starts


class RecordVerifier(ABC):
    """A `Verifier` of records. A format derives from it and says what is sound.

    It keeps less than BLOCK + `reach` bytes of the file.
    """

    kind = ""
    reach = 0  # bytes of the longest record: so many decide whether one begins at a place
    size = 1  # bytes of a fix: fixes behind other bytes count if they are the better part of the file

    def __init__(self, on_records: Callable[[Records], None] | None = None) -> None:
        """Call `on_records` with the records of each block."""
        self._on_records = on_records or (lambda records: None)
        self._rest = b""
        self._at = 0  # offset of the rest
        self._start = b""  # the first bytes
        self._gap_from: int | None = None
        self._gap = b""
        self._whole_to = 0
        self._fixes = 0
        self._unknown = 0
        self._strays = 0  # records of unknown kinds that were searched for, and sound ones inside others
        self._damages: list[Damage] = []
        self._damage_count = 0

    @property
    def header(self) -> Header | None:
        return None

    @property
    def verified_to(self) -> int:
        """The end of the last record before any damage."""
        return self._whole_to

    @abstractmethod
    def find(self, octets: Octets, offset: int) -> Found:
        """Return the sound records that lie within the bytes; `offset` is that of the first byte in the file."""

    @abstractmethod
    def accept(self, records: Records, octets: Octets) -> tuple[int, int]:
        """Return how many of the records are fixes, and how many are unknown. `octets` end with the last record."""

    def unknown_at(self, octets: Octets) -> int:
        """Return the length of a sound record of an unknown kind that begins with the bytes; 0 if there is none."""
        return 0

    def is_trailer(self, data: bytes) -> bool:
        """Tell whether bytes behind the last record are harmless."""
        return False

    @abstractmethod
    def recognises(self, start: bytes) -> bool:
        """Tell whether a file that begins with these bytes is of the format."""

    def on_gap(self) -> None:  # noqa: B027 - most formats have nothing to note
        """Take note that bytes are damaged."""

    def feed(self, data: Buffer) -> None:
        view = memoryview(data).cast("B")
        for first in range(0, len(view), BLOCK):
            piece = view[first : first + BLOCK]
            if len(self._start) < 512:
                self._start += piece[: 512 - len(self._start)]
            self._take(self._rest + bytes(piece), is_last=False)

    def finish(self) -> Integrity:
        self._take(self._rest, is_last=True)
        trailer = b""
        if self._gap_from is not None:
            if len(self._gap) == self._at - self._gap_from and self._gap_from and self.is_trailer(self._gap):
                trailer = self._gap
            else:
                self._close_gap(self._at, is_end=True)
        is_better_part = self._fixes and 2 * self._fixes * self.size >= self._at
        if not self.recognises(self._start) and not is_better_part:
            return Integrity(self._at, UNKNOWN)
        return Integrity(
            length=self._at,
            kind=self.kind,
            fixes=self._fixes,
            damages=tuple(self._damages),
            damage_count=self._damage_count,
            unknown=self._unknown,
            trailer=trailer,
            whole=self._at > 0 and not self._damage_count,
        )

    def _take(self, block: bytes, *, is_last: bool) -> None:
        octets = np.frombuffer(block, np.uint8)
        decided = len(octets) if is_last else max(0, len(octets) - self.reach + 1)
        done = self._take_records(octets, decided)
        self._rest = block[done:]
        self._at += done

    def _take_records(self, octets: Octets, decided: int) -> int:
        """Take records and damage; return up to where all bytes are taken.

        No record begins before `decided` but those that are found; behind it, a longer block may show one.
        """
        place = 0
        found = self.find(octets, self._at)
        ends = found.starts + found.lengths
        breaks = np.append(np.flatnonzero(found.starts[1:] != ends[:-1]), len(ends) - 1)
        while place < len(octets):
            if self._damage_count + self._strays >= MAX_IRREGULAR:
                self._widen_gap(self._at + place, octets[place:])
                return len(octets)
            index = int(np.searchsorted(found.starts, place))
            if index < len(ends) and found.starts[index] == place and self._may_begin(found, index):
                last = int(breaks[np.searchsorted(breaks, index)]) + 1
                place = int(ends[last - 1])
                self._accept(found, slice(index, last), octets[:place])
                if found.anchors is None and last < len(ends) and found.starts[last] < place:
                    self._strays += 1
            elif place < decided and (length := self._unknown_length(octets[place:])):
                place += length
                self._unknown += 1
                self._strays += 1
            else:
                following = self._following(found, index, len(octets))
                reached = min(following, max(place, decided))
                self._widen_gap(self._at + place, octets[place:reached])
                place = reached
                if reached < following or following == len(octets):
                    return place
                self._close_gap(self._at + place)
            self._move_whole(self._at + place)
        return place

    def _may_begin(self, found: Found, index: int) -> bool:
        """Tell whether a record at the place that is due counts: behind damage, only an anchor does."""
        if self._gap_from is None or found.anchors is None:
            return True
        which = int(np.searchsorted(found.anchors, index))
        return which < len(found.anchors) and found.anchors[which] == index

    def _following(self, found: Found, index: int, length: int) -> int:
        """Return where the next record begins that may follow damage; `length` if there is none."""
        if found.anchors is not None:
            which = int(np.searchsorted(found.anchors, index))
            index = int(found.anchors[which]) if which < len(found.anchors) else len(found.starts)
        return int(found.starts[index]) if index < len(found.starts) else length

    def _unknown_length(self, octets: Octets) -> int:
        return self.unknown_at(octets) if self._gap_from is None else 0

    def _accept(self, found: Found, which: slice, octets: Octets) -> None:
        starts = found.starts[which]
        records = Records(starts + self._at, found.lengths[which], found.kinds[which])
        fixes, unknown = self.accept(records, octets[int(starts[0]) :])
        self._fixes += fixes
        self._unknown += unknown

    def _widen_gap(self, start: int, octets: Octets) -> None:
        if not len(octets):
            return
        if self._gap_from is None:
            self._gap_from, self._gap = start, b""
        self._gap += octets[: GAP_KEPT - len(self._gap)].tobytes()

    def _close_gap(self, end: int, *, is_end: bool = False) -> None:
        if self._gap_from is None:
            return
        start, self._gap_from = self._gap_from, None
        self.on_gap()
        is_cut = is_end and start > 0 and end - start < self.size
        what = "cut inside a record" if is_cut else self.describe(start, end - start)
        self.add_damage(Damage(start, end - start, what))

    def add_damage(self, damage: Damage) -> None:
        """Count damage that lies behind all earlier damage."""
        self._damage_count += 1
        if len(self._damages) < DAMAGES_KEPT:
            self._damages.append(damage)

    def describe(self, start: int, length: int) -> str:
        """Return a short phrase that says what is wrong."""
        return "damaged header" if not start else "bytes that are not records"

    def emit(self, records: Records) -> None:
        """Hand on the records that a decoder needs."""
        self._on_records(records)

    def _move_whole(self, end: int) -> None:
        if not self._damage_count:
            self._whole_to = end


def collected(
    verifier: Callable[[Callable[[Records], None]], RecordVerifier], data: Buffer
) -> tuple[Records, Integrity]:
    """Return the records of a whole file, and its integrity; no records if it is of another format."""
    parts: list[Records] = []
    reader = verifier(parts.append)
    reader.feed(data)
    integrity = reader.finish()
    if integrity.kind == UNKNOWN or not parts:
        return Records(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8)), integrity
    if len(parts) == 1:
        return parts[0], integrity
    names = ("starts", "lengths", "kinds")
    return Records(*(np.concatenate([getattr(part, name) for part in parts]) for name in names)), integrity


def gathered(data: Buffer | Octets, starts: Places, layout: np.dtype[Any]) -> Rows:
    """Return the rows of a layout that begin at the starts. All of them must lie within the data."""
    if not len(starts):
        return np.empty(0, layout)
    octets = np.frombuffer(data, np.uint8)
    first, last, size = int(starts[0]), int(starts[-1]), layout.itemsize
    if last - first == (len(starts) - 1) * size and (np.diff(starts) == size).all():
        return octets[first : last + size].view(layout)
    return sliding_window_view(octets, size)[starts].view(layout)[:, 0]


def running_sum(octets: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.uint32]:
    """Return the running total before each value and behind the last, modulo 2**32: the fastest that numpy has."""
    total = np.zeros(len(octets) + 1, np.uint32)
    np.cumsum(octets, dtype=np.uint32, out=total[1:])
    return total


def fletcher_holds(octets: Octets, starts: Places, stops: Places) -> NDArray[np.bool_]:
    """Tell for each range of bytes whether the two bytes behind it are its 8-bit Fletcher sum modulo 256.

    Two running totals give the sums of any range: the cost does not depend on how many ranges there are.
    """
    first = running_sum(octets)
    second = running_sum(first[1:])
    low = first[stops] - first[starts]
    high = second[stops] - second[starts] - (stops - starts).astype(np.uint32) * first[starts]
    held: NDArray[np.bool_] = (low & 255 == octets[stops]) & (high & 255 == octets[stops + 1])
    return held
