"""SBN: what the GT-11 and GT-31 of Locosys store, messages of SiRF's binary protocol. Big endian, each with a sum.

The first message holds the text of `locosys`. There is no count of messages and no end mark.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sse_twisted.tracks.format import UNFILTERED, Buffer, Evidence, Fixes, SpeedSource, Track, measured_rate
from sse_twisted.tracks.locosys import SUM_MASK, TEXT_MARKS, accuracy_of, device_of
from sse_twisted.tracks.moments import milliseconds
from sse_twisted.tracks.records import (
    Found,
    Octets,
    Records,
    RecordVerifier,
    collected,
    gathered,
    running_sum,
)

NAME: Final = "sbn"
SYNC: Final = b"\xa0\xa2"
END: Final = b"\xb0\xb3"
OVERHEAD: Final = 8  # bytes of a message around its payload
MAX_PAYLOAD: Final = 1023  # of the protocol
FIX_ID: Final = 41
SATELLITES_ID: Final = 13  # visible satellites, about one message in 100
MIN_FIX: Final = 91  # bytes of payload; 95 on the GT-11, 97 with accuracies
WITH_ERRORS: Final = 97
FIX_SIZE: Final = 105
OTHER, FIX, TEXT, SATELLITES = range(4)  # kinds of messages

_FIX: Final = np.dtype(
    {
        "names": ["invalid", "type", "year", "date", "ms", "latitude", "longitude", "altitude", "speed", "course",
                  "horizontal_error", "vertical_error", "satellites", "hdop"],
        "formats": [">u2", ">u2", ">u2", ("u1", (4,)), ">u2", ">i4", ">i4", ">i4", ">u2", ">u2",
                    ">u4", ">u4", "u1", "u1"],
        "offsets": [4 + offset for offset in (1, 3, 11, 13, 17, 23, 27, 35, 40, 42, 50, 54, 88, 89)],
        "itemsize": 4 + MIN_FIX,
    }
)  # fmt: skip
SPEED_ERROR_AT: Final = 4 + 95

# By the low three bits of the type: none, 1 to 3 satellites, 4 and more, 2D, 3D, dead reckoning.
_FIX_TYPES: Final = np.array([0, 1, 1, 1, 3, 2, 3, 1], np.uint8)


class SbnVerifier(RecordVerifier):
    """Counts SiRF messages: each has its length, a checksum and an end."""

    kind = NAME
    reach = MAX_PAYLOAD + OVERHEAD
    size = FIX_SIZE

    def recognises(self, start: bytes) -> bool:
        return start.startswith(SYNC)

    def find(self, octets: Octets, offset: int) -> Found:
        starts = np.flatnonzero(octets[: max(0, len(octets) - OVERHEAD + 1)] == SYNC[0])
        starts = starts[octets[starts + 1] == SYNC[1]]
        payload = octets[starts + 2].astype(np.int64) << 8 | octets[starts + 3]
        inside = (payload > 0) & (payload <= MAX_PAYLOAD) & (starts + payload + OVERHEAD <= len(octets))
        starts, payload = starts[inside], payload[inside]
        ends = starts + 4 + payload
        total = running_sum(octets)
        held = (total[ends] - total[starts + 4]) & SUM_MASK == octets[ends].astype(np.uint16) << 8 | octets[ends + 1]
        held &= (octets[ends + 2] == END[0]) & (octets[ends + 3] == END[1])
        starts, payload = starts[held], payload[held]
        ids = octets[starts + 4]
        kinds = np.full(len(starts), OTHER, np.uint8)
        kinds[(ids == FIX_ID) & (payload >= MIN_FIX)] = FIX
        kinds[ids == SATELLITES_ID] = SATELLITES
        kinds[np.isin(ids, TEXT_MARKS)] = TEXT
        return Found(starts, payload + OVERHEAD, kinds)

    def accept(self, records: Records, octets: Octets) -> tuple[int, int]:
        self.emit(records)
        return int((records.kinds == FIX).sum()), int((records.kinds == OTHER).sum())

    def describe(self, start: int, length: int) -> str:
        return (
            "damaged header"
            if not start
            else "damaged message"
            if length == FIX_SIZE
            else "bytes that are not messages"
        )


class SbnFormat:
    """Binary messages of SiRF receivers, as Locosys devices log them."""

    name = NAME
    extension = ".sbn"

    def recognises(self, start: bytes) -> bool:
        return start.startswith(SYNC)

    def verifier(self) -> SbnVerifier:
        return SbnVerifier()

    def decode(self, data: Buffer) -> Track:
        records, integrity = collected(SbnVerifier, data)
        starts = records.of(FIX)
        lengths = records.lengths[records.kinds == FIX]
        fixes = _fixes(gathered(data, starts, _FIX), _errors(data, starts, lengths))
        text = records.of(TEXT)[:1]
        rate = measured_rate(fixes.time)
        return Track(
            fixes=fixes,
            integrity=integrity,
            offsets=starts,
            fix_size=int(lengths.mean()) if len(lengths) else FIX_SIZE,
            rate=rate,
            rules=UNFILTERED,
            speeds=SpeedSource.DOPPLER,
            evidence=Evidence.CONSISTENT,
            device=device_of(_text(data, int(text[0]))) if len(text) else device_of(b""),
            accuracy=accuracy_of(rate),
        )


def _text(data: Buffer, start: int) -> bytes:
    length = int.from_bytes(bytes(data[start + 2 : start + 4]), "big")
    return bytes(data[start + 5 : start + 4 + length])


def _errors(data: Buffer, starts: Any, lengths: Any) -> Any:
    """Return the speed errors in mm/s; None if a message is too short to tell."""
    if not len(lengths) or lengths.min() < WITH_ERRORS + OVERHEAD:
        return None
    return np.frombuffer(data, np.uint8)[starts + SPEED_ERROR_AT].astype(np.int32) * 10


def _fixes(rows: Any, errors: Any) -> Fixes:
    date = rows["date"]
    month, day, hour, minute = (date[:, place] for place in range(4))
    time = milliseconds(rows["year"], month, day, hour, minute, np.zeros(len(rows), np.int64)) + rows["ms"]
    types = _FIX_TYPES[rows["type"] & 7]
    return Fixes(
        time=time,
        latitude=rows["latitude"] / 1e7,
        longitude=rows["longitude"] / 1e7,
        speed=rows["speed"].astype(np.int32) * 10,
        course=rows["course"].astype(np.int32) * 1000,
        speed_error=errors,
        satellites=rows["satellites"],
        fix=np.where(rows["invalid"] == 0, types, np.uint8(0)),
        hdop=rows["hdop"].astype(np.int32) * 20,
        altitude=rows["altitude"].astype(np.int64) * 10,
        horizontal_error=rows["horizontal_error"].astype(np.int64) * 10,
        vertical_error=rows["vertical_error"].astype(np.int64) * 10,
    )
