"""What the collector says of the bytes of a whole file."""

from __future__ import annotations

from sse_twisted.tracks.integrity import Integrity
from sse_twisted.tracks.layout import Buffer
from sse_twisted.tracks.oao import decode


def verify(data: Buffer) -> Integrity:
    """Judge all of them at once."""
    return decode(data).integrity
