"""The track format of the Motion GPS ("OnAndOn") by its public names, and tracks decoded into arrays."""

from __future__ import annotations

from typing import Final

import numpy as np
from attrs import frozen

from sse_twisted.tracks.oao.firmware import BESTS
from sse_twisted.tracks.oao.header import Best, Header, Position, TrackError, decode_header
from sse_twisted.tracks.oao.integrity import Integrity, Verifier
from sse_twisted.tracks.oao.layout import (
    FRAME,
    FRAME_SIZE,
    HEADER,
    HEADER_SIZE,
    KNOT,
    LENGTHS,
    Buffer,
    Frames,
    fletcher,
)

__all__: Final = [
    "BESTS",
    "FRAME",
    "FRAME_SIZE",
    "HEADER",
    "HEADER_SIZE",
    "KNOT",
    "LENGTHS",
    "Best",
    "Buffer",
    "Frames",
    "Header",
    "Position",
    "Track",
    "TrackError",
    "decode",
    "decode_header",
    "fletcher",
]


@frozen(eq=False)
class Track:
    """A decoded file: its sound GNSS frames in order, of dtype FRAME, and what else is to be said of its bytes."""

    header: Header | None  # None if it is not whole
    frames: Frames
    integrity: Integrity
    runs: tuple[tuple[int, int], ...] = ()  # offset and number of frames that lie one after the other

    def offset(self, frame: int) -> int:
        """The byte at which a frame begins, by its place in `frames`."""
        for start, count in self.runs:
            if frame < count:
                return start + frame * FRAME_SIZE
            frame -= count
        raise IndexError(f"no frame {frame} behind the last")


def decode(data: Buffer) -> Track:
    """Decode a file, damaged or not; never raises.

    The frames share the memory of `data` as long as nothing lies between them: they are read-only if it is.
    """
    runs: list[tuple[int, int]] = []
    verifier = Verifier(lambda offset, count: runs.append((offset, count)))
    verifier.feed(data)
    integrity = verifier.finish()
    if not integrity.frames:
        return Track(integrity.header, np.empty(0, FRAME), integrity)
    (first, _), (last, count) = runs[0], runs[-1]
    if first + integrity.frames * FRAME_SIZE == last + count * FRAME_SIZE:
        frames = np.frombuffer(data, FRAME, integrity.frames, first)
        return Track(integrity.header, frames, integrity, ((first, integrity.frames),))
    parts = [np.frombuffer(data, FRAME, count, offset) for offset, count in runs]
    return Track(integrity.header, np.concatenate(parts), integrity, tuple(runs))
