"""SBP: the short format of Locosys loggers and of ESP loggers. Little endian, records of 32 bytes, no checksum.

A block of 64 bytes with the text of `locosys` stands before the records, rarely not. Damage shows only where a record
says what cannot be, such as a 32nd day or a latitude of 95°.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sse_twisted.tracks.format import (
    ESP_ACCURACY,
    ESP_RULES,
    UNFILTERED,
    Buffer,
    Device,
    Evidence,
    Fixes,
    Mask,
    SpeedSource,
    Times,
    Track,
    measured_rate,
)
from sse_twisted.tracks.locosys import SUM_MASK, accuracy_of, device_of
from sse_twisted.tracks.moments import milliseconds
from sse_twisted.tracks.records import Found, Octets, Places, Records, RecordVerifier, Rows, collected, gathered

NAME: Final = "sbp"
HEADER_SIZE: Final = 64
SIZE: Final = 32
OTHER, FIX = range(2)  # kinds of records
TRAILERS: Final = re.compile(rb"\xff*\n?\xff*")  # behind the records of a GT-11
NEAR: Final = 3_600_000  # ms between two records that prove each other behind damage
NEAR_BY: Final = 100_000  # 1e-7 degrees between them, a kilometre
SEARCHED: Final = 16 * 1024  # bytes in which every offset is looked at at once: bounds the memory

_HEADER: Final = re.compile(rb"..\xa0\xa2..[\xfd\xdf]", re.DOTALL)
_ESP: Final = "ESP-GPS"
_MINUTE: Final = 60_000  # ms

_RECORD: Final = np.dtype(
    [("hdop", "u1"), ("satellites", "u1"), ("ms", "<u2"), ("packed", "<u4"), ("ids", "<u4"), ("latitude", "<i4"),
     ("longitude", "<i4"), ("altitude", "<i4"), ("speed", "<u2"), ("course", "<u2"), ("climb", "<i2"),
     ("sdop", "u1"), ("vsdop", "u1")]
)  # fmt: skip


class SbpVerifier(RecordVerifier):
    """A `Verifier`. Behind damage, a record counts if one like it follows: bytes of chance can look like a record."""

    kind = NAME
    reach = 2 * SIZE + 1  # a record, and whether another follows it
    size = SIZE

    def recognises(self, start: bytes) -> bool:
        return is_start(start)

    def find(self, octets: Octets, offset: int) -> Found:
        first = HEADER_SIZE if not offset and _HEADER.match(octets[:8].tobytes()) else 0
        if first > len(octets):
            return _found(np.empty(0, np.int64), np.empty(0, np.int64))
        starts = self._starts(octets, first)
        if first:
            starts = np.concatenate([[0], starts])
        return _found(starts, self._anchors(octets, starts, offset), has_header=bool(first))

    def accept(self, records: Records, octets: Octets) -> tuple[int, int]:
        self.emit(records)
        return int((records.kinds == FIX).sum()), 0

    def is_trailer(self, data: bytes) -> bool:
        return TRAILERS.fullmatch(data) is not None

    def describe(self, start: int, length: int) -> str:
        if not start:
            return "damaged header"
        return "damaged record" if length == SIZE else "bytes that are not records"

    @staticmethod
    def _anchors(octets: Octets, starts: Places, offset: int) -> Places:
        """Return the indices of the starts that may follow damage: another record follows, a little later and near.

        The last record of a file has none behind it: it may if it stands on the grid, as a header does.
        """
        anchored = (starts + offset) % SIZE == 0
        followed = np.flatnonzero((starts + 2 * SIZE <= len(octets)) & (starts + offset > 0))
        if len(followed):
            one, other = (gathered(octets, starts[followed] + shift, _RECORD) for shift in (0, SIZE))
            anchored[followed] = _follows(one, other)
        return np.flatnonzero(anchored)

    @staticmethod
    def _starts(octets: Octets, first: int) -> Places:
        """Return where records can begin: one behind the other, and from the first doubt on at every offset."""
        count = (len(octets) - first) // SIZE
        regular = plausible(octets[first : first + count * SIZE].view(_RECORD))
        sound = count if regular.all() else int(regular.argmin())
        starts = [first + np.arange(sound) * SIZE]
        for begin in range(first + sound * SIZE, len(octets) - SIZE + 1 if sound < count else 0, SEARCHED):
            windows = sliding_window_view(octets[begin : begin + SEARCHED + SIZE - 1], SIZE)
            starts.append(begin + np.flatnonzero(plausible(_rows(windows))))
        return np.concatenate(starts)


class SbpFormat:
    """Fixes of Locosys devices, behind a header of 64 bytes. They have no checksum, but implausible ones show."""

    name = NAME
    extension = ".sbp"

    def recognises(self, start: bytes) -> bool:
        return is_start(start)

    def verifier(self) -> SbpVerifier:
        return SbpVerifier()

    def decode(self, data: Buffer) -> Track:
        records, integrity = collected(SbpVerifier, data)
        starts = records.of(FIX)
        fixes = _fixes(gathered(data, starts, _RECORD))
        rate = measured_rate(fixes.time)
        header = bytes(data[:HEADER_SIZE]) if len(records.of(OTHER)) else b""
        device = _device(header)
        is_esp = device.model == _ESP
        return Track(
            fixes=fixes,
            integrity=integrity,
            offsets=starts,
            fix_size=SIZE,
            rate=rate,
            rules=ESP_RULES if is_esp else UNFILTERED,
            speeds=SpeedSource.DOPPLER,
            evidence=Evidence.AS_HANDED_IN,
            device=device,
            remarks=() if is_esp or not header or _sum_holds(header) else ("its header has a wrong checksum",),
            accuracy=ESP_ACCURACY if is_esp else accuracy_of(rate),
        )


def is_start(start: bytes) -> bool:
    """Tell whether a file begins with a header or, without one, with two records of nearly the same time."""
    if _HEADER.match(start):
        return True
    if len(start) < 2 * SIZE:
        return False
    rows = np.frombuffer(start, _RECORD, 2)
    time = times_of(rows)
    return bool(plausible(rows).all()) and abs(int(time[1]) - int(time[0])) < NEAR


def plausible(rows: Rows) -> Mask:
    """Tell for each record whether it can be one."""
    packed, ms = rows["packed"], rows["ms"]
    second = packed & 63
    mask: Mask = (packed >> 22 > 0) & (packed >> 17 & 31 > 0) & (packed >> 12 & 31 < 24) & (packed >> 6 & 63 < 60)
    mask &= (ms < 61_000) & (second < 61)
    # The second of a GT-11 can be one too large, also over the end of a minute.
    mask &= (second.astype(np.int16) - (ms // 1000).astype(np.int16) + 62) % 60 <= 4
    mask &= (np.abs(rows["latitude"].astype(np.int64)) <= 900_000_000) & (rows["course"] <= 36_000)
    mask &= np.abs(rows["longitude"].astype(np.int64)) <= 1_800_000_000
    return mask


def _follows(one: Rows, other: Rows) -> Mask:
    """Tell for each of two records whether the other can come next."""
    step = times_of(other) - times_of(one)
    mask: Mask = plausible(other) & (step > 0) & (step < NEAR)
    for name in ("latitude", "longitude"):
        mask &= np.abs(one[name].astype(np.int64) - other[name].astype(np.int64)) < NEAR_BY
    return mask


def times_of(rows: Rows) -> Times:
    """Return ms UTC. The ms of the minute count; the packed second tells only whether the minute is the right one."""
    packed, ms = rows["packed"].astype(np.int64), rows["ms"].astype(np.int64)
    year = np.full(len(rows), 2000)
    nothing = np.zeros(len(rows), np.int64)
    minutes = milliseconds(year, packed >> 22, packed >> 17 & 31, packed >> 12 & 31, packed >> 6 & 63, nothing)
    ahead = ms - (packed & 63) * 1000
    return minutes + ms - np.where(ahead > _MINUTE // 2, _MINUTE, 0) + np.where(ahead < -_MINUTE // 2, _MINUTE, 0)


def _rows(windows: Any) -> Rows:
    return np.ascontiguousarray(windows).view(_RECORD)[:, 0] if len(windows) else np.empty(0, _RECORD)


def _found(starts: Places, anchors: Places, *, has_header: bool = False) -> Found:
    lengths, kinds = np.full(len(starts), SIZE), np.full(len(starts), FIX, np.uint8)
    if has_header:
        lengths[0], kinds[0] = HEADER_SIZE, OTHER
    return Found(starts, lengths, kinds, anchors)


def _device(header: bytes) -> Device:
    return device_of(header[7:].split(b"\xb0\xb3")[0][:-2] if b"\xb0\xb3" in header else header[7:])


def _sum_holds(header: bytes) -> bool:
    end = 6 + int.from_bytes(header[4:6], "big")
    stored = int.from_bytes(header[end : end + 2], "big")
    return sum(header[6:end]) & SUM_MASK == stored


def _fixes(rows: Rows) -> Fixes:
    # The GT-11 has flags where the others have accuracies.
    is_known = len(rows) and (rows["sdop"].max() > 1 or rows["vsdop"].any())
    return Fixes(
        time=times_of(rows),
        latitude=rows["latitude"] / 1e7,
        longitude=rows["longitude"] / 1e7,
        speed=rows["speed"].astype(np.int32) * 10,
        course=rows["course"].astype(np.int32) * 1000,
        speed_error=rows["sdop"].astype(np.int32) * 10 if is_known else None,
        satellites=rows["satellites"],
        hdop=rows["hdop"].astype(np.int32) * 20,
        altitude=rows["altitude"].astype(np.int64) * 10,
    )
