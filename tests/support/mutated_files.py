"""Files of other formats with a few changes that depend on a seed only, many of them with right checksums."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Final

from sse_twisted.tracks.fit.checksum import crc16
from tests.tracks.written import fit, fletcher, gpx, gpy, points, sbn, sbp, sirf, ubx, ubx_frame

WRITERS: Final = {"ubx": ubx, "sbn": sbn, "sbp": sbp, "gpy": gpy, "fit": fit, "gpx": gpx}
SBP_HEADER: Final = 64
SBP_SIZE: Final = 32
PIECES: Final = (
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"&b;",
    b"</trkpt>",
    b"<trkpt lat='91' lon='x'>",
    b"<time>2022-02-31T25:61:61+99:99</time>",
    b"<speed>1e999</speed>",
    b"<speed>-1</speed>",
    b"nan",
    b"<![CDATA[",
    b"<!--",
    b"\0",
    b"<a>" * 100,
    b"\xff\xfe",
)


@cache
def whole(name: str) -> bytes:
    """A small file of a format."""
    return WRITERS[name](points(120, rate=1 if name == "fit" else 5))


def mutated_file(name: str, seed: int) -> bytes:
    """Return a file of a format with a few changes."""
    chance = random.Random(seed)
    data = whole(name)
    for _ in range(chance.randint(1, 5)):
        data = chance.choice([_flip, cut, _add, _double, *[_RESEALED[name]] * 3])(data, chance)
    return data


def _flip(data: bytes, chance: random.Random) -> bytes:
    return _changed(data, chance, 0, len(data))


def _changed(data: bytes, chance: random.Random, start: int, stop: int) -> bytes:
    """Return the data with one to eight bytes of a range changed to something extreme, or anything."""
    if stop <= start:
        return data
    changed = bytearray(data)
    at = chance.randrange(start, stop)
    for place in range(at, min(stop, at + chance.choice([1, 1, 2, 4, 8]))):
        changed[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    return bytes(changed)


def cut(data: bytes, chance: random.Random) -> bytes:
    """Return the data without a part, or without its end."""
    start, stop = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[stop:] if chance.random() < 0.5 else data[:stop]


def _add(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    added = chance.choice([chance.randbytes(chance.randrange(300)), bytes(200), b"\xff" * 64, *PIECES])
    return data[:at] + added + data[at:]


def _double(data: bytes, chance: random.Random) -> bytes:
    start, stop = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:stop] + data[start:stop] * chance.choice([1, 2, 5]) + data[stop:]


def _ubx(data: bytes, chance: random.Random) -> bytes:
    """Change the payload of a frame, or its kind, and make its checksum right."""
    at = data.find(b"\xb5\x62", chance.randrange(len(data) + 1))
    if at < 0 or len(data) < at + 8:
        return data
    length = int.from_bytes(data[at + 4 : at + 6], "little")
    payload = _changed(data[at + 6 : at + 6 + length], chance, 0, min(length, len(data) - at - 6))
    number = chance.choice([data[at + 3], 4, 7, 0x35])
    return data[:at] + ubx_frame(data[at + 2], number, payload) + data[at + 8 + length :]


def _sbn(data: bytes, chance: random.Random) -> bytes:
    at = data.find(b"\xa0\xa2", chance.randrange(len(data) + 1))
    if at < 0 or len(data) < at + 8:
        return data
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    payload = _changed(data[at + 4 : at + 4 + length], chance, 0, min(length, len(data) - at - 4))
    return data[:at] + sirf(payload[: chance.choice([length, 91, 95])]) + data[at + 8 + length :]


def _sbp(data: bytes, chance: random.Random) -> bytes:
    count = (len(data) - SBP_HEADER) // SBP_SIZE
    if count < 1:
        return data
    at = SBP_HEADER + SBP_SIZE * chance.randrange(count)
    return _changed(data, chance, at, at + SBP_SIZE)


def _gpy(data: bytes, chance: random.Random) -> bytes:
    lengths = {0xF0: 72, 0xE0: 36, 0xD0: 20}
    at, starts = 0, []
    while at < len(data) and data[at] in lengths:
        starts.append(at)
        at += lengths[data[at]]
    if not starts:
        return data
    start = chance.choice(starts)
    length = lengths[data[start]]
    body = _changed(data[start : start + length - 2], chance, 0, min(length - 2, len(data) - start))
    return data[:start] + body + fletcher(body) + data[start + length :]


def _fit(data: bytes, chance: random.Random) -> bytes:
    """Change a byte of a message, or of a definition, and make the checksum of the file right."""
    changed = _changed(data[:-2], chance, chance.choice([0, 14]), len(data) - 2)
    return changed + crc16(changed).to_bytes(2, "little")


def _gpx(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(PIECES) + data[at + chance.choice([0, 1, 5]) :]


_RESEALED: Final[dict[str, Callable[[bytes, random.Random], bytes]]] = {
    "ubx": _ubx,
    "sbn": _sbn,
    "sbp": _sbp,
    "gpy": _gpy,
    "fit": _fit,
    "gpx": _gpx,
}
