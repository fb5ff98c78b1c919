"""The header of an OAO file: the device, the times, and the bests that the device claims."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen

from sse_twisted.tracks.format import Best, Buffer, Header
from sse_twisted.tracks.oao.firmware import BESTS, best_name
from sse_twisted.tracks.oao.layout import HEADER, HEADER_MODE, HEADER_SIZE, sums_hold


class TrackError(ValueError):
    """The bytes at `offset` are not a header."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} at byte {offset:,}")
        self.offset = offset


@frozen
class Position:
    """Degrees in units of 1e-7, and millimetres above the sea."""

    latitude: int = 0
    longitude: int = 0
    altitude: int = 0


@frozen
class OaoHeader(Header):
    """All fields of a header of 512 bytes. Altitudes and the elevation gain are mm, `above_12kn` is mm/s.

    `bests` has up to five entries for each of BESTS; firmware before 3109 has "1000m" in the place of "alpha500".
    All neutral fields equal the device's listing (72 of 72 real files).
    """

    one_log_per_day: bool
    start: Position = Position()
    end: Position = Position()
    lowest: int = 0
    highest: int = 0
    above_12kn: int = 0  # mean speed at 12 knots or more; only firmware up to 3129
    above_12kn_seconds: int = 0
    elevation_gain: int = 0


def decode_header(data: Buffer) -> OaoHeader:
    """Decode the first 512 bytes. Raises TrackError if there are fewer, or if they are not a sound header."""
    if len(data) < HEADER_SIZE:
        raise TrackError("cut inside the header", len(data))
    octets = np.frombuffer(data, np.uint8, HEADER_SIZE)
    fields = octets.view(HEADER)[0]
    if fields["mode"] != HEADER_MODE:
        raise TrackError(f"mode 0x{fields['mode']:04X} instead of a header", 0)
    if not sums_hold(octets.reshape(1, -1))[0]:
        raise TrackError("header with a wrong checksum", 2)
    return OaoHeader(
        identifier=int(fields["identifier"]),
        nickname=fields["nickname"].split(b"\0")[0].decode("utf-8", "replace"),
        start_date=int(fields["start_date"]),
        end_date=int(fields["end_date"]),
        distance=int(fields["distance"]),
        max_speed=int(fields["maximum"]["speed"]),
        firmware=int(fields["firmware"]),
        timezone=int(fields["timezone"]),
        frequency=int(fields["frequency"]),
        one_log_per_day=bool(fields["one_log_per_day"]),
        bests={best_name(field, int(fields["firmware"])): _bests(fields[field]) for field in BESTS},
        start=_position(fields["start"]),
        end=_position(fields["end"]),
        lowest=int(fields["minimum"]["altitude"]),
        highest=int(fields["maximum"]["altitude"]),
        above_12kn=int(fields["above_12kn"]),
        above_12kn_seconds=int(fields["above_12kn_seconds"]),
        elevation_gain=int(fields["elevation_gain"]),
    )


def _bests(entries: Any) -> tuple[Best, ...]:
    return tuple(Best(second, value) for second, value in entries.tolist() if second or value)


def _position(fields: Any) -> Position:
    return Position(*fields.tolist())
