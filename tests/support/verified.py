"""What the collector finds in the bytes of a whole file."""

from __future__ import annotations

from sse_twisted.tracks.format import Buffer, Integrity
from sse_twisted.tracks.formats import decode


def verify(data: Buffer, path: str = "") -> Integrity:
    """Judge all bytes at once."""
    return decode(data, path).integrity
