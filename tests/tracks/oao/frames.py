"""A small track, and frames of any mode with correct checksums."""

from __future__ import annotations

from sse_twisted.simulator.headers import fletcher
from sse_twisted.tracks.oao.layout import FRAME_SIZE, HEADER_SIZE
from tests.tracks.voyages import small_track

FRAMES = 20
TRACK = small_track(FRAMES)


def at(frame: int) -> int:
    """The offset of a frame."""
    return HEADER_SIZE + FRAME_SIZE * frame


def sealed(mode: int, length: int, payload: int = 7) -> bytes:
    """A frame of any mode and length."""
    frame = mode.to_bytes(2, "little") + b"\0\0" + bytes((payload + i) % 256 for i in range(length - 4))
    return frame[:2] + bytes(fletcher(frame)) + frame[4:]
