"""What the collector says of the bytes of a whole file."""

from __future__ import annotations

from sse_twisted.tracks.format import Buffer, Integrity
from sse_twisted.tracks.formats import decode


def verify(data: Buffer) -> Integrity:
    """Judge all of them at once."""
    return decode(data).integrity
