"""All fields of an OAO header, read and written as a device does; `tracks/` reads only those that it needs."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from attrs import asdict, frozen

from sse_twisted.tracks.format import Buffer, Header
from sse_twisted.tracks.oao.firmware import BESTS, best_name
from sse_twisted.tracks.oao.header import decode_header
from sse_twisted.tracks.oao.layout import HEADER, HEADER_MODE, checksums

_NUMBERS: Final = (
    "identifier",
    "start_date",
    "end_date",
    "distance",
    "above_12kn",
    "above_12kn_seconds",
    "elevation_gain",
    "firmware",
    "timezone",
    "frequency",
    "one_log_per_day",
)


@frozen
class Position:
    """Degrees in units of 1e-7, and millimetres above the sea."""

    latitude: int = 0
    longitude: int = 0
    altitude: int = 0


@frozen
class FullHeader(Header):
    """All fields of a header of 512 bytes. Altitudes and the elevation gain are mm, `above_12kn` is mm/s."""

    one_log_per_day: bool = False
    start: Position = Position()
    end: Position = Position()
    lowest: int = 0
    highest: int = 0
    above_12kn: int = 0  # mean speed at 12 knots or more; only firmware up to 3129
    above_12kn_seconds: int = 0
    elevation_gain: int = 0


def read_header(data: Buffer) -> FullHeader:
    """Read all fields of the first 512 bytes. Raises ValueError as `decode_header` does."""
    neutral = asdict(decode_header(data), recurse=False)
    fields = np.frombuffer(data, HEADER, 1)[0]
    return FullHeader(
        **neutral,
        one_log_per_day=bool(fields["one_log_per_day"]),
        start=Position(*fields["start"].tolist()),
        end=Position(*fields["end"].tolist()),
        lowest=int(fields["minimum"]["altitude"]),
        highest=int(fields["maximum"]["altitude"]),
        above_12kn=int(fields["above_12kn"]),
        above_12kn_seconds=int(fields["above_12kn_seconds"]),
        elevation_gain=int(fields["elevation_gain"]),
    )


def encode_header(header: FullHeader) -> bytes:
    """Return the 512 bytes of a header. Raises OverflowError if a number does not fit.

    A nickname is cut after ten bytes of UTF-8, a list of bests after five.
    """
    fields: Any = np.zeros(1, HEADER)
    fields["mode"] = HEADER_MODE
    for name in _NUMBERS:
        fields[name] = getattr(header, name)
    fields["nickname"] = header.nickname.encode()
    for name in ("start", "end"):
        position: Position = getattr(header, name)
        fields[name] = (position.latitude, position.longitude, position.altitude)
    fields["minimum"]["altitude"] = header.lowest
    fields["maximum"]["altitude"] = header.highest
    fields["maximum"]["speed"] = header.max_speed
    for field in BESTS:
        for index, best in enumerate(header.bests.get(best_name(field, header.firmware), ())[:5]):
            fields[field][0, index] = (best.second, best.value)
    fields["checksum"] = fletcher(fields.tobytes())
    sealed: bytes = fields.tobytes()
    return sealed


def fletcher(data: Buffer) -> tuple[int, int]:
    """Return the checksum of a whole frame or header, which belongs in its bytes 2 and 3."""
    first, second = checksums(np.frombuffer(data, np.uint8).reshape(1, -1))[0].tolist()
    return first, second
