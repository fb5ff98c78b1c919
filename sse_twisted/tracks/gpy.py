"""GPY ("compact GNSS"): fixes of ESP loggers and of GPS Speedreader. Little endian, a checksum in each record.

A full record comes every half minute. The compressed ones between hold differences to it. There is no altitude, no
count of records and no end mark. The header may come again.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sse_twisted.tracks.format import (
    ESP_ACCURACY,
    ESP_RULES,
    NO_HDOP,
    Buffer,
    Damage,
    Device,
    Evidence,
    Fixes,
    SpeedSource,
    Track,
    measured_rate,
)
from sse_twisted.tracks.records import (
    Found,
    Octets,
    Records,
    RecordVerifier,
    collected,
    fletcher_holds,
    gathered,
)

NAME: Final = "gpy"
HEADER, FULL, COMPRESSED = 0xF0, 0xE0, 0xD0  # kinds of records: their first bytes
LENGTHS: Final = {HEADER: 72, FULL: 36, COMPRESSED: 20}  # bytes
MAX_UNKNOWN: Final = 4096  # bytes of a record of another kind
MIN_UNKNOWN: Final = 6

_FULL: Final = np.dtype(
    [("kind", "u1"), ("flags", "u1"), ("hdop", "<u2"), ("time", "<i8"), ("speed", "<u4"), ("speed_error", "<u4"),
     ("latitude", "<i4"), ("longitude", "<i4"), ("course", "<i4"), ("satellites", "u1"), ("fix", "u1"), ("sum", "<u2")]
)  # fmt: skip
_COMPRESSED: Final = np.dtype(
    [("kind", "u1"), ("flags", "u1"), ("hdop", "<u2"), ("time", "<i2"), ("speed", "<i2"), ("speed_error", "<i2"),
     ("latitude", "<i2"), ("longitude", "<i2"), ("course", "<i2"), ("satellites", "u1"), ("fix", "u1"), ("sum", "<u2")]
)  # fmt: skip
_HEADER: Final = np.dtype(
    [("kind", "u1"), ("flags", "u1"), ("length", "<u2"), ("maker", "<u2"), ("description", "S16"), ("name", "S16"),
     ("serial", "S16"), ("firmware", "S16"), ("sum", "<u2")]
)  # fmt: skip
_MAKERS: Final = {1: "Locosys", 2: "u-blox", 3: "Garmin", 4: "Suunto", 5: "COROS"}
NO_DEVICE: Final = Device()


class GpyVerifier(RecordVerifier):
    """A `Verifier`. A compressed record is damage if the full one before it is lost."""

    kind = NAME
    reach = MAX_UNKNOWN
    size = LENGTHS[COMPRESSED]
    _has_full = False

    def recognises(self, start: bytes) -> bool:
        return is_start(start)

    def find(self, octets: Octets, offset: int) -> Found:
        starts = np.flatnonzero((octets == FULL) | (octets == COMPRESSED) | (octets == HEADER))
        kinds = octets[starts]
        lengths = _LENGTH_OF[kinds]
        inside = starts + lengths <= len(octets)
        starts, kinds, lengths = starts[inside], kinds[inside], lengths[inside]
        held = fletcher_holds(octets, starts, starts + lengths - 2)
        held &= (kinds != HEADER) | ((octets[starts + 2] == LENGTHS[HEADER]) & (octets[starts + 3] == 0))
        return Found(starts[held], lengths[held], kinds[held])

    def accept(self, records: Records, octets: Octets) -> tuple[int, int]:
        full = np.flatnonzero(records.kinds == FULL)
        first = 0 if self._has_full else int(full[0]) if len(full) else len(records.kinds)
        lost = records.starts[:first][records.kinds[:first] == COMPRESSED]
        if len(lost):
            end = int(records.starts[first]) if first < len(records.starts) else int(lost[-1]) + LENGTHS[COMPRESSED]
            start = int(lost[0])
            self.add_damage(Damage(start, end - start, "records whose full record is lost"))
        self._has_full |= len(full) > 0
        kept = (np.arange(len(records.kinds)) >= first) | (records.kinds == HEADER)
        self.emit(Records(records.starts[kept], records.lengths[kept], records.kinds[kept]))
        return int((records.kinds[kept] != HEADER).sum()), 0

    def unknown_at(self, octets: Octets) -> int:
        if len(octets) < MIN_UNKNOWN or int(octets[0]) in LENGTHS:
            return 0
        length = int(octets[2]) | int(octets[3]) << 8
        if not MIN_UNKNOWN <= length <= min(MAX_UNKNOWN, len(octets)):
            return 0
        held = fletcher_holds(octets[:length], np.array([0]), np.array([length - 2]))
        return length if held[0] else 0

    def on_gap(self) -> None:
        size = LENGTHS[COMPRESSED]
        is_compressed = len(self._gap) % size == 0 and set(self._gap[::size]) == {COMPRESSED}
        if len(self._gap) >= LENGTHS[FULL] and not is_compressed:
            self._has_full = False

    def describe(self, start: int, length: int) -> str:
        if not start:
            return "damaged header"
        return "damaged record" if length in LENGTHS.values() else "bytes that are not records"


_LENGTH_OF: Final = np.zeros(256, np.int64)
_LENGTH_OF[list(LENGTHS)] = list(LENGTHS.values())


def is_start(start: bytes) -> bool:
    """Tell whether a file begins with a header or, without one, with a sound full record."""
    if start[:1] == bytes([HEADER]):
        return start[2:4] == LENGTHS[HEADER].to_bytes(2, "little")
    octets = np.frombuffer(start[: LENGTHS[FULL]], np.uint8)
    is_full = start[:1] == bytes([FULL]) and len(octets) == LENGTHS[FULL]
    return is_full and bool(fletcher_holds(octets, np.array([0]), np.array([LENGTHS[FULL] - 2]))[0])


class GpyFormat:
    """Records of ESP loggers, full and compressed, each with a checksum."""

    name = NAME
    extension = ".gpy"

    def recognises(self, start: bytes) -> bool:
        return is_start(start)

    def verifier(self) -> GpyVerifier:
        return GpyVerifier()

    def decode(self, data: Buffer) -> Track:
        records, integrity = collected(GpyVerifier, data)
        is_fix = records.kinds != HEADER
        starts, kinds = records.starts[is_fix], records.kinds[is_fix]
        fixes = _fixes(data, starts, kinds)
        headers = gathered(data, records.of(HEADER)[:1], _HEADER)
        return Track(
            fixes=fixes,
            integrity=integrity,
            offsets=starts,
            fix_size=LENGTHS[COMPRESSED],
            rate=measured_rate(fixes.time),
            rules=ESP_RULES,
            speeds=SpeedSource.DOPPLER,
            evidence=Evidence.CONSISTENT,
            device=_device(headers[0]) if len(headers) else NO_DEVICE,
            accuracy=ESP_ACCURACY,
        )


def _device(header: Any) -> Device:
    description, name, serial = (
        "".join(filter(str.isprintable, header[field].split(b"\0")[0].decode("latin-1"))).strip("_ ")
        for field in ("description", "name", "serial")
    )
    return Device(" ".join(filter(None, [_MAKERS.get(int(header["maker"]), ""), description])), name, serial)


def _fixes(data: Buffer, starts: Any, kinds: Any) -> Fixes:
    """Return the columns; a compressed record counts from the last full one before it."""
    at_full, at_compressed = np.flatnonzero(kinds == FULL), np.flatnonzero(kinds != FULL)
    full = gathered(data, starts[at_full], _FULL)
    compressed = gathered(data, starts[at_compressed], _COMPRESSED)
    counts = np.diff(at_full, append=len(kinds))  # of each full one, with those that refer to it

    def column(name: str, unit: int = 1) -> Any:
        differences = np.zeros(len(kinds), np.int16)
        differences[at_compressed] = compressed[name]
        values = np.repeat(full[name].astype(np.int64) // unit, counts)
        values += differences
        if unit > 1:
            values *= unit
            values[at_full] = full[name]
        return values

    def own(name: str) -> Any:
        values = np.empty(len(kinds), full[name].dtype)
        values[at_full], values[at_compressed] = full[name], compressed[name]
        return values

    hdop = own("hdop").astype(np.int32)
    return Fixes(
        time=column("time"),
        latitude=column("latitude") / 1e7,
        longitude=column("longitude") / 1e7,
        speed=np.maximum(column("speed"), 0),
        course=column("course", 1000),
        speed_error=np.maximum(column("speed_error"), 0),
        satellites=own("satellites"),
        fix=own("fix"),
        hdop=np.where(hdop >= NO_HDOP, NO_HDOP, hdop),
    )
