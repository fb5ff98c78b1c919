"""Faults inside a track.

The checksum is implemented here independently, so that a mistake in the code that verifies tracks shows in the tests.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sse_twisted.simulator.faults import Fault

HEADER: Final = 512
FRAME: Final = 52

_START_DATE, _END_DATE, _DISTANCE = slice(16, 24), slice(36, 44), slice(56, 60)
_LISTS: Final = (slice(100, 380), slice(384, 424))
_UTC: Final = slice(24, 32)


def damage_track(content: bytes, fault: Fault) -> bytes | None:
    """Return the bytes of a track with the fault; None if it changes nothing."""
    return fault.apply(content, _FAULTS)


def sealed(frame: bytes) -> bytes:
    """Return a frame (or header) with the right checksum: both sums modulo 256, over all but bytes 2 and 3."""
    first = second = 0
    for value in frame[:2] + frame[4:]:
        first = (first + value) & 255
        second = (second + first) & 255
    return frame[:2] + bytes((first, second)) + frame[4:]


def grown(content: bytes, frames: int) -> bytes:
    """Return the track with `frames` appended, each 0.2 s after the one before, and the end in the header updated."""
    if len(content) < HEADER + FRAME:
        return content
    last = content[len(content) - FRAME :]
    utc = int.from_bytes(last[_UTC], "little")
    added = []
    for number in range(1, frames + 1):
        moment = utc + 200 * number
        mode = b"\xd4\x0a" if moment % 1000 == 0 else b"\xd5\x0a"
        added.append(sealed(mode + last[2:24] + moment.to_bytes(8, "little") + last[32:]))
    header = _with(content[:HEADER], _END_DATE, utc + 200 * frames)
    return sealed(header) + content[HEADER:] + b"".join(added)


def end_date(content: bytes) -> int:
    """Return the end of a track by its header, in ms since 1970 UTC."""
    return int.from_bytes(content[_END_DATE], "little")


def _with(header: bytes, place: slice, value: int) -> bytes:
    length = place.stop - place.start
    return header[: place.start] + value.to_bytes(length, "little") + header[place.stop :]


def _without_bests(header: bytes) -> bytes:
    for place in (*_LISTS, _DISTANCE):
        header = _with(header, place, 0)
    return header


def _frame_start(content: bytes, at: int) -> int:
    """Return the start of the frame with byte `at`, or of the middle frame if `at` is 0."""
    frames = max(0, len(content) - HEADER) // FRAME
    if not frames:
        return HEADER
    number = max(0, at - HEADER) // FRAME if at else frames // 2
    return HEADER + FRAME * min(number, frames - 1)


def _flip(content: bytes, fault: Fault) -> bytes:
    at = fault.at_or(_frame_start(content, 0) + 17)
    if at >= len(content):
        return content
    return content[:at] + bytes((content[at] ^ 0x10,)) + content[at + 1 :]


def _cut_frames(content: bytes, fault: Fault) -> bytes:
    return content[: _frame_start(content, fault.at)]


def _never_finalise(content: bytes, fault: Fault) -> bytes:
    whole = content[: max(HEADER, len(content) - len(content) % 512)]
    header = _with(_without_bests(whole[:HEADER]), slice(36, 56), 0)
    return sealed(header) + whole[HEADER:]


def _empty(content: bytes, fault: Fault) -> bytes:
    start = int.from_bytes(content[_START_DATE], "little")
    return sealed(_with(_without_bests(content[:HEADER]), _END_DATE, start))


def _of_another(content: bytes, fault: Fault) -> bytes:
    (identifier,) = struct.unpack_from("<H", content, 4)
    return sealed(_with(content[:HEADER], slice(4, 6), (identifier + 1) % 65536)) + content[HEADER:]


def _of_unknown_kind(content: bytes, fault: Fault) -> bytes:
    start = _frame_start(content, fault.at)
    if start >= len(content):
        return content
    strange = sealed(b"\xdf\x0a" + content[start + 2 : start + FRAME])
    return content[:start] + strange + content[start + FRAME :]


_FAULTS: Final[Mapping[str, Callable[[bytes, Fault], bytes]]] = MappingProxyType(
    {
        "flipped-bit": _flip,
        "flipped-bit-always": _flip,
        "frame-cut": _cut_frames,
        "trailer": lambda content, fault: content + b"]}",
        "not-finalised": _never_finalise,
        "empty-log": _empty,
        "empty-body": lambda content, fault: b"",
        "foreign": _of_another,
        "unknown-frame": _of_unknown_kind,
    }
)
