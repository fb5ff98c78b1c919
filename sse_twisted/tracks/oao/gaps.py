"""The bytes between sound frames: intact frames of an unknown mode, or damage."""

from __future__ import annotations

from typing import Final

import numpy as np

from sse_twisted.tracks.oao.layout import FRAME_SIZE, HEADER_SIZE, LENGTHS, MODE_FAMILY, Octets, sums_hold

MIN_LENGTH: Final = 5  # bytes of a frame of an unknown mode
MAX_LENGTH: Final = 1024
FIX_STARTS: Final = [mode.to_bytes(2, "little") for mode, length in LENGTHS.items() if length == FRAME_SIZE]


class Gap:
    """Bytes that are not sound frames of a known mode; fewer than 2 * MAX_LENGTH of them are kept.

    They are intact if they are frames of one unknown mode and one length, each with a right checksum, and nothing
    else. No real file has such frames; a later firmware may write them.
    """

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.length = 0
        self._start = b""
        self._held = np.empty(0, np.uint8)
        self._held_from = 0
        self._tilings: dict[int, int] | None = None  # length of a frame: bytes of the gap that such frames fill

    def extend(self, data: Octets) -> None:
        """Take the bytes that follow."""
        self.length += len(data)
        if len(self._start) < 2:
            self._start += data[:2].tobytes()[: 2 - len(self._start)]
        if self._can_be_intact():
            self._held = np.concatenate([self._held, data])
            if self._tilings is not None or self.length >= MAX_LENGTH:
                self._tile()

    def intact_frames(self) -> int:
        """Return the number of frames of one unknown mode that fill the gap; 0 if the gap is damage."""
        if not self._can_be_intact():
            return 0
        tilings = self._tile()
        return next((self.length // length for length, filled in tilings.items() if filled == self.length), 0)

    def describe(self, at_end: bool) -> str:
        """Return a short phrase that says what is wrong; `at_end`: no frame follows."""
        whole, rest = divmod(self.length, FRAME_SIZE)
        if self.offset == 0:
            return "cut inside the header" if at_end and self.length < HEADER_SIZE else "damaged header"
        if at_end and not whole and any(start.startswith(self._start) for start in FIX_STARTS):
            return "cut inside a frame"
        if rest:
            return "bytes that are not frames"
        return "damaged frame" if whole == 1 else f"{whole:,} damaged frames"

    def _can_be_intact(self) -> bool:
        if self.offset == 0 or self._tilings == {}:
            return False
        mode = int.from_bytes(self._start, "little")
        return len(self._start) < 2 or (mode >> 8 == MODE_FAMILY and mode not in LENGTHS)

    def _tile(self) -> dict[int, int]:
        if self._tilings is None:
            self._tilings = dict.fromkeys(_sound_lengths(self._held[:MAX_LENGTH]), 0)
        self._tilings = {length: end for length, filled in self._tilings.items() if (end := self._fill(length, filled))}
        needed_from = min(self._tilings.values(), default=self.length)
        self._held = self._held[needed_from - self._held_from :].copy()
        self._held_from = needed_from
        return self._tilings

    def _fill(self, length: int, filled: int) -> int:
        """Return how far frames of this length reach; 0 if one of them is not intact."""
        rest = self._held[filled - self._held_from :]
        rows = rest[: len(rest) // length * length].reshape(-1, length)
        of_one_mode = (rows[:, :2] == np.frombuffer(self._start, np.uint8)).all()
        return filled + rows.size if of_one_mode and sums_hold(rows).all() else 0


def _sound_lengths(data: Octets) -> list[int]:
    """Return every length at which the checksum allows a frame at the start of the data."""
    if len(data) < MIN_LENGTH:
        return []
    first = np.cumsum(np.delete(data, (2, 3)), dtype=np.uint8)
    second = np.cumsum(first, dtype=np.uint8)
    lengths = np.flatnonzero((first == data[2]) & (second == data[3])) + 3
    return [int(length) for length in lengths if MIN_LENGTH <= length <= len(data)]
