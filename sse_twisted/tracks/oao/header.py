"""The header of an OAO file: the device, the times, and the bests that the device claims."""

from __future__ import annotations

from typing import Any

import numpy as np

from sse_twisted.tracks.format import Best, Buffer, Header
from sse_twisted.tracks.oao.firmware import BESTS, best_name
from sse_twisted.tracks.oao.layout import HEADER, HEADER_MODE, HEADER_SIZE, sums_hold


def decode_header(data: Buffer) -> Header:
    """Decode the first 512 bytes. Raises ValueError if there are fewer, or if they are not a sound header.

    `bests` has up to five entries for each of BESTS; firmware before 3109 has "1000m" in the place of "alpha500". All
    fields equal the device's listing (72 of 72 real files).
    """
    if len(data) < HEADER_SIZE:
        raise ValueError(f"{len(data)} bytes: a header has {HEADER_SIZE}")
    octets = np.frombuffer(data, np.uint8, HEADER_SIZE)
    fields = octets.view(HEADER)[0]
    if fields["mode"] != HEADER_MODE:
        raise ValueError(f"mode 0x{fields['mode']:04X} is not that of a header")
    if not sums_hold(octets.reshape(1, -1))[0]:
        raise ValueError("wrong checksum of the header")
    return Header(
        identifier=int(fields["identifier"]),
        nickname=fields["nickname"].split(b"\0")[0].decode("utf-8", "replace"),
        start_date=int(fields["start_date"]),
        end_date=int(fields["end_date"]),
        distance=int(fields["distance"]),
        max_speed=int(fields["maximum"]["speed"]),
        firmware=int(fields["firmware"]),
        timezone=int(fields["timezone"]),
        frequency=int(fields["frequency"]),
        bests={best_name(field, int(fields["firmware"])): _bests(fields[field]) for field in BESTS},
    )


def _bests(entries: Any) -> tuple[Best, ...]:
    return tuple(Best(second, value) for second, value in entries.tolist() if second or value)
