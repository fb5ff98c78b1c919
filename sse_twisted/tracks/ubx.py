"""UBX: what u-blox receivers send, as loggers of the ESP kind store it. Little endian, a checksum in each frame.

A file has no header, no count of its frames and no end mark.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sse_twisted.tracks.format import (
    ESP_ACCURACY,
    ESP_RULES,
    NO_HDOP,
    Buffer,
    Evidence,
    Fixes,
    SpeedSource,
    Track,
    measured_rate,
)
from sse_twisted.tracks.moments import milliseconds
from sse_twisted.tracks.records import (
    Found,
    Octets,
    Places,
    Records,
    RecordVerifier,
    collected,
    fletcher_holds,
    gathered,
)

NAME: Final = "ubx"
SYNC: Final = b"\xb5\x62"
OVERHEAD: Final = 8  # bytes of a frame around its payload
MAX_PAYLOAD: Final = 8192  # bytes; NAV-SAT of 255 satellites has 3,068
NAV: Final = 0x01  # class of navigation messages
PVT_LENGTHS: Final = (92, 84)  # bytes of payload; 84 on receivers of the generations 7 and 8 with old firmware
PVT_SIZE: Final = 100
OTHER, PVT, DOP = range(3)  # kinds of frames
VALID: Final = 17  # offset of the flags of validity in a frame
HAS_TIME: Final = 0b11  # of these flags: date and time
FIX_TYPES: Final = np.array(
    [0, 1, 2, 3, 3, 0], np.uint8
)  # dead reckoning alone is 1, with satellites 4; 5 is time only
NO_DOP: Final = 9999  # what the receiver puts where it has none

# The part of NAV-PVT that all receivers send, with the bytes around it.
_PVT: Final = np.dtype(
    {
        "names": ["itow", "year", "date", "nano", "fix", "flags", "satellites", "longitude", "latitude",
                  "altitude", "horizontal_error", "vertical_error", "speed", "course", "speed_error", "course_error",
                  "pdop"],
        "formats": ["<u4", "<u2", ("u1", (5,)), "<i4", "u1", "u1", "u1", "<i4", "<i4",
                    "<i4", "<u4", "<u4", "<i4", "<i4", "<u4", "<u4", "<u2"],
        "offsets": [6 + offset for offset in (0, 4, 6, 16, 20, 21, 23, 24, 28, 36, 40, 44, 60, 64, 68, 72, 76)],
        "itemsize": 84,
    }
)  # fmt: skip
_DOP: Final = np.dtype({"names": ["itow", "hdop"], "formats": ["<u4", "<u2"], "offsets": [6, 18], "itemsize": 26})
DOP_LENGTH: Final = 18


class UbxVerifier(RecordVerifier):
    """A `Verifier`; a frame of another kind than NAV-PVT is sound too, and unknown outside the class NAV."""

    kind = NAME
    reach = MAX_PAYLOAD + OVERHEAD
    size = PVT_SIZE

    def recognises(self, start: bytes) -> bool:
        return start.startswith(SYNC)

    def find(self, octets: Octets, offset: int) -> Found:
        starts = np.flatnonzero(octets[: max(0, len(octets) - OVERHEAD + 1)] == SYNC[0])
        starts = starts[octets[starts + 1] == SYNC[1]]
        payload = octets[starts + 4].astype(np.int64) | octets[starts + 5].astype(np.int64) << 8
        inside = (payload <= MAX_PAYLOAD) & (starts + payload + OVERHEAD <= len(octets))
        starts, payload = starts[inside], payload[inside]
        held = fletcher_holds(octets, starts + 2, starts + 6 + payload)
        starts, payload = starts[held], payload[held]
        return Found(starts, payload + OVERHEAD, _kinds(octets, starts, payload))

    def accept(self, records: Records, octets: Octets) -> tuple[int, int]:
        self.emit(records)
        others = records.starts[records.kinds == OTHER] - records.starts[0]
        return int((records.kinds == PVT).sum()), int((octets[others + 2] != NAV).sum())

    def describe(self, start: int, length: int) -> str:
        return "damaged frame" if length == PVT_SIZE else "bytes that are not frames"


class UbxFormat:
    """Frames of u-blox receivers, each with a checksum; only NAV-PVT has fixes."""

    name = NAME
    extension = ".ubx"

    def recognises(self, start: bytes) -> bool:
        return start.startswith(SYNC)

    def verifier(self) -> UbxVerifier:
        return UbxVerifier()

    def decode(self, data: Buffer) -> Track:
        records, integrity = collected(UbxVerifier, data)
        starts = records.of(PVT)
        rows = gathered(data, starts, _PVT)
        dops = gathered(data, records.of(DOP), _DOP)
        fixes = _fixes(rows, dops)
        return Track(
            fixes=fixes,
            integrity=integrity,
            offsets=starts,
            fix_size=PVT_SIZE,
            rate=measured_rate(fixes.time),
            rules=ESP_RULES,
            speeds=SpeedSource.DOPPLER,
            evidence=Evidence.CONSISTENT,
            accuracy=ESP_ACCURACY,
        )


def _kinds(octets: Octets, starts: Places, payload: Places) -> Any:
    nav, message = octets[starts + 2] == NAV, octets[starts + 3]
    kinds = np.full(len(starts), OTHER, np.uint8)
    is_pvt = nav & (message == 0x07) & ((payload == PVT_LENGTHS[0]) | (payload == PVT_LENGTHS[1]))
    # A receiver without date or time has not found its place either.
    pvt = starts[is_pvt]
    kinds[np.flatnonzero(is_pvt)[octets[pvt + VALID] & HAS_TIME == HAS_TIME]] = PVT
    kinds[nav & (message == 0x04) & (payload == DOP_LENGTH)] = DOP
    return kinds


def _fixes(rows: Any, dops: Any) -> Fixes:
    date = rows["date"]
    time = milliseconds(rows["year"], *(date[:, place] for place in range(5)))
    time += (rows["nano"].astype(np.int64) + 500_000) // 1_000_000
    is_fix = (rows["flags"] & 1).astype(np.bool_)
    return Fixes(
        time=time,
        latitude=rows["latitude"] / 1e7,
        longitude=rows["longitude"] / 1e7,
        speed=np.maximum(rows["speed"], 0),
        course=rows["course"],
        speed_error=rows["speed_error"],
        satellites=rows["satellites"],
        fix=np.where(is_fix, FIX_TYPES[np.minimum(rows["fix"], len(FIX_TYPES) - 1)], np.uint8(0)),
        hdop=_hdop(rows, dops),
        altitude=rows["altitude"],
        horizontal_error=rows["horizontal_error"],
        vertical_error=rows["vertical_error"],
        course_error=rows["course_error"],
    )


def _hdop(rows: Any, dops: Any) -> Any:
    """Return the HDOP of the NAV-DOP with the same time of week where there is one, otherwise the PDOP."""
    hdop = rows["pdop"].astype(np.int32)
    if len(dops) and len(rows):
        order = np.argsort(dops["itow"], kind="stable")
        itow = dops["itow"][order]
        place = np.minimum(np.searchsorted(itow, rows["itow"]), len(itow) - 1)
        hdop = np.where(itow[place] == rows["itow"], dops["hdop"][order][place], hdop)
    return np.where(hdop >= NO_DOP, NO_HDOP, hdop)
