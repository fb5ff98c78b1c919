"""What the collector says of the bytes of a whole file."""

from __future__ import annotations

from sse_twisted.tracks.oao.decoding import decode
from sse_twisted.tracks.oao.integrity import Integrity
from sse_twisted.tracks.oao.layout import Buffer


def verify(data: Buffer) -> Integrity:
    """Judge all of them at once."""
    return decode(data).integrity
