"""Verification of an OAO file while it arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from sse_twisted.tracks.format import UNKNOWN, Buffer, Damage, Header, Integrity
from sse_twisted.tracks.oao.gaps import Gap
from sse_twisted.tracks.oao.header import decode_header
from sse_twisted.tracks.oao.layout import FRAME_SIZE, HEADER_MODE, HEADER_SIZE, Octets, fixes_hold, modes_hold
from sse_twisted.tracks.oao.search import sound_runs

NAME: Final = "oao"  # of the format
FEWEST: Final = 1024  # frames checked at once behind a damage, and then twice as many each time
MOST: Final = 16 * FEWEST
WINDOW: Final = 64 * 1024  # bytes searched at once for frames that are not where the last one ended
DAMAGES_KEPT: Final = 1000
STRAY_TRAILER: Final = b"]}"  # the end of the device's JSON, once behind the last frame of firmware 3109: harmless


def is_header(start: bytes) -> bool:
    """Tell whether a file begins with the mode of a header, whatever follows."""
    return start.startswith(HEADER_MODE.to_bytes(2, "little"))


def is_headerless(start: bytes) -> bool:
    """Tell whether a file begins with a sound GNSS frame: some ESP loggers write no header."""
    frame = np.frombuffer(start[:FRAME_SIZE], np.uint8)
    return len(frame) == FRAME_SIZE and bool(fixes_hold(frame.reshape(1, -1))[0])


class OaoVerifier:
    """A `Verifier` that keeps less than 2 KiB of the file.

    Damage costs the frames that it touches and no others: the next frame is searched for at every offset.
    """

    def __init__(self, on_fixes: Callable[[int, int], None] | None = None, *, is_verified: bool = False) -> None:
        """Call `on_fixes` with the offset and number of sound GNSS frames that follow one another.

        Where the bytes are verified and whole, frames that begin as such are taken for sound.
        """
        self._on_fixes = on_fixes or (lambda offset, count: None)
        self._hold = modes_hold if is_verified else fixes_hold
        self._rest = b""
        self._at = 0  # offset of the rest
        self._kind = ""  # decided when HEADER_SIZE bytes are there
        self._header: Header | None = None
        self._is_headerless = False
        self._gap: Gap | None = None
        self._whole_to = 0
        self._fixes = 0
        self._unknown = 0
        self._damages: list[Damage] = []
        self._damage_count = 0

    @property
    def header(self) -> Header | None:
        return self._header

    @property
    def verified_to(self) -> int:
        """The end of the last frame before any damage; 0 if the header is damaged or has not arrived."""
        return self._whole_to

    def feed(self, data: Buffer) -> None:
        octets = np.frombuffer(data, np.uint8)[self._take_cut_frame(data) :]
        if self._rest:
            octets = np.frombuffer(self._rest + octets.tobytes(), np.uint8)
        if not self._kind:
            if len(octets) < HEADER_SIZE:
                self._rest = octets.tobytes()
                return
            octets = octets[self._take_header(octets) :]
        while len(octets) >= FRAME_SIZE:
            if self._gap is None:
                octets = octets[self._take_regular(octets) :]
            window = octets[:WINDOW]
            decided = len(window) - FRAME_SIZE + 1  # a frame that begins after that may not be complete yet
            if decided > 0:
                done = self._take_irregular(window, decided)
                self._widen_gap(window[done:decided])
                octets = octets[max(done, decided) :]
        self._rest = octets.tobytes()

    def finish(self) -> Integrity:
        rest = np.frombuffer(self._rest, np.uint8)
        if not self._kind:
            rest = rest[self._take_header(rest) :]
        trailer = self._take_end(rest[self._take_irregular(rest, len(rest)) :])
        # Frames behind other bytes are a track without its start if they are the better part, otherwise chance.
        is_better_part = self._fixes and 2 * self._fixes * FRAME_SIZE >= self._at - HEADER_SIZE
        if self._kind != NAME and not is_better_part:
            return Integrity(self._at, UNKNOWN)
        return Integrity(
            length=self._at,
            kind=NAME,
            header=self._header,
            fixes=self._fixes,
            damages=tuple(self._damages),
            damage_count=self._damage_count,
            unknown=self._unknown,
            trailer=trailer,
            whole=(self._header is not None or self._is_headerless) and not self._damage_count,
            header_missing=self._is_headerless,
        )

    def _take_header(self, octets: Octets) -> int:
        start = octets[:HEADER_SIZE].tobytes()
        self._is_headerless = is_headerless(start)
        self._kind = NAME if self._is_headerless or is_header(start) else UNKNOWN
        if self._is_headerless:
            return 0
        try:
            self._header = decode_header(start)
        except ValueError:
            self._gap = Gap(0)
            return 0
        self._at = self._whole_to = HEADER_SIZE
        return HEADER_SIZE

    def _take_cut_frame(self, data: Buffer) -> int:
        """Take the frame that began in the last data, if it is sound; return its number of bytes in this data.

        So the data need not be copied behind the rest of the last ones.
        """
        if not (self._rest and self._kind and self._gap is None):
            return 0
        missing = FRAME_SIZE - len(self._rest)
        if not self._take_regular(np.frombuffer(self._rest + bytes(data[:missing]), np.uint8)):
            return 0
        self._rest = b""
        return missing

    def _take_regular(self, octets: Octets) -> int:
        """Take GNSS frames up to the first one that is not sound; return the number of bytes."""
        rows = octets[: len(octets) // FRAME_SIZE * FRAME_SIZE].reshape(-1, FRAME_SIZE)
        sound, count = 0, FEWEST
        while sound < len(rows):
            held = self._hold(rows[sound : sound + count])
            if not held.all():
                sound += int(held.argmin())
                break
            sound += len(held)
            count = min(2 * count, MOST)
        if sound:
            self._accept(octets[: sound * FRAME_SIZE], FRAME_SIZE)
        return sound * FRAME_SIZE

    def _take_irregular(self, octets: Octets, limit: int) -> int:
        """Take all bytes up to the last sound frame that begins before `limit`; return their number."""
        done = 0
        for start, length, count in sound_runs(octets, limit):
            self._widen_gap(octets[done:start])
            self._close_gap(at_end=False)
            done = start + length * count
            self._accept(octets[start:done], length)
        return done

    def _take_end(self, octets: Octets) -> bytes:
        """Take what follows the last sound frame; return the part of it that is harmless."""
        trailer = octets[-2:].tobytes()
        if trailer == STRAY_TRAILER:
            self._widen_gap(octets[:-2])
            if self._gap is None or self._gap.intact_frames():
                self._close_gap(at_end=True)
                self._at += len(trailer)
                return trailer
            octets = octets[-2:]
        self._widen_gap(octets)
        self._close_gap(at_end=True)
        return b""

    def _accept(self, octets: Octets, length: int) -> None:
        count = len(octets) // length
        if length == FRAME_SIZE:
            self._fixes += count
            self._on_fixes(self._at, count)
        else:
            self._unknown += count
        self._move_on(len(octets))

    def _widen_gap(self, octets: Octets) -> None:
        if len(octets):
            if self._gap is None:
                self._gap = Gap(self._at)
            self._gap.extend(octets)
            self._at += len(octets)

    def _close_gap(self, *, at_end: bool) -> None:
        gap, self._gap = self._gap, None
        if gap is None:
            return
        frames = gap.intact_frames()
        self._unknown += frames
        if not frames:
            self._damage_count += 1
            if len(self._damages) < DAMAGES_KEPT:
                self._damages.append(Damage(gap.offset, gap.length, gap.describe(at_end=at_end)))
        self._move_on(0)

    def _move_on(self, length: int) -> None:
        self._at += length
        if not self._damage_count:
            self._whole_to = self._at
