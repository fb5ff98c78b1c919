"""Search for sound frames at any offset, behind damage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sse_twisted.tracks.oao.layout import HEADER_MODE, LENGTHS, MODE_FAMILY, Octets, sums_hold

# Frames gathered and checked at once. It bounds the memory where every other byte looks like a start.
BATCH_SIZE: Final = 8192

# Modes follow one another, the lowest is that of a header.
_LOWEST: Final = HEADER_MODE + 1 & 0xFF
_LENGTHS: Final = np.array([length for mode, length in LENGTHS.items() if mode != HEADER_MODE])


def sound_runs(data: Octets, limit: int) -> Iterator[tuple[int, int, int]]:
    """Yield offset, frame length and count of each run of frames of one length; runs do not overlap.

    The frames are sound, of known modes, and begin before `limit`. 700 MB of random bytes hold about one by chance.
    """
    start = end = length = 0
    for at, size in _sound_frames(data, limit):
        if at == end and size == length:
            end += size
        elif at >= end:
            if length:
                yield start, length, (end - start) // length
            start, end, length = at, at + size, size
    if length:
        yield start, length, (end - start) // length


def _sound_frames(data: Octets, limit: int) -> Iterator[tuple[int, int]]:
    starts = np.flatnonzero(data[1 : limit + 1] == MODE_FAMILY)
    starts = starts[data[starts] - np.uint8(_LOWEST) < len(_LENGTHS)]
    for block in range(0, len(starts), BATCH_SIZE):
        batch = starts[block : block + BATCH_SIZE]
        lengths = _LENGTHS[data[batch] - np.uint8(_LOWEST)]
        held = np.zeros(len(batch), np.bool_)
        for length in set(lengths.tolist()):
            these = np.flatnonzero((lengths == length) & (batch + length <= len(data)))
            if len(these):
                held[these] = sums_hold(sliding_window_view(data, length)[batch[these]])
        yield from zip(batch[held].tolist(), lengths[held].tolist(), strict=True)
