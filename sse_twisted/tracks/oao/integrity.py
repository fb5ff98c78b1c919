"""Whether the bytes of a track are whole, judged while they arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from attrs import frozen

from sse_twisted.tracks.kinds import kind_of
from sse_twisted.tracks.oao.gaps import Gap
from sse_twisted.tracks.oao.header import Header, TrackError, decode_header
from sse_twisted.tracks.oao.layout import FRAME_SIZE, HEADER_SIZE, Buffer, Octets, fixes_hold
from sse_twisted.tracks.oao.search import sound_runs

AT_ONCE: Final = 8192  # frames checked as one matrix product; their float32 copy stays in the cache
WINDOW: Final = 64 * 1024  # bytes searched at once for frames that are not where the last one ended
DAMAGES_KEPT: Final = 1000
STRAY_TRAILER: Final = b"]}"  # the end of the device's JSON, once behind the last frame of firmware 3109: harmless


@frozen
class Damage:
    """Bytes of a track that can't be used, and in a short phrase why."""

    offset: int
    length: int
    what: str


@frozen
class Integrity:
    """What the bytes of a file turned out to be.

    A cut between two frames leaves no trace in here: only the length that the device lists shows it.
    """

    length: int  # bytes seen in all
    kind: str  # of kinds.py
    header: Header | None  # None if it is not whole
    frames: int  # sound GNSS frames
    damages: tuple[Damage, ...]  # in order of offset, the first 1,000
    damage_count: int
    unknown: int  # intact frames that are not decoded
    trailer: bytes  # b"]}" or b""; any other is a Damage

    @property
    def whole(self) -> bool:
        """The header is sound, and nothing is damaged."""
        return self.header is not None and not self.damage_count


class Verifier:
    """Verifies a track as it arrives, in any chunks; keeps less than 2 KiB of it.

    The result does not depend on the chunks. A damage costs the frames that it touches and no others: the next frame
    is searched for at every offset.
    """

    def __init__(self, on_fixes: Callable[[int, int], None] | None = None) -> None:
        """`on_fixes` is told offset and number of sound GNSS frames that lie one after the other."""
        self._on_fixes = on_fixes or (lambda offset, count: None)
        self._rest = b""
        self._at = 0  # offset of the rest
        self._kind = ""  # decided when HEADER_SIZE bytes are there
        self._header: Header | None = None
        self._gap: Gap | None = None
        self._whole_to = 0
        self._fixes = 0
        self._unknown = 0
        self._damages: list[Damage] = []
        self._damage_count = 0

    @property
    def verified_to(self) -> int:
        """Everything before this offset is whole, and a frame ends there: a transfer can be resumed from it.

        0 if the header is damaged or not there yet.
        """
        return self._whole_to

    def feed(self, data: Buffer) -> None:
        """Take the bytes that follow."""
        octets = np.frombuffer(self._rest + bytes(data) if self._rest else data, np.uint8)
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
        """Judge what is left, and say what all of it was; nothing can be fed after that."""
        rest = np.frombuffer(self._rest, np.uint8)
        if not self._kind:
            rest = rest[self._take_header(rest) :]
        trailer = self._take_end(rest[self._take_irregular(rest, len(rest)) :])
        if self._kind != "oao":
            # Frames behind something else: a track with its start lost if they are the better part of it, else chance.
            if not self._fixes or 2 * self._fixes * FRAME_SIZE < self._at - HEADER_SIZE:
                return Integrity(self._at, self._kind, None, 0, (), 0, 0, b"")
            self._kind = "oao"
        return Integrity(
            length=self._at,
            kind=self._kind,
            header=self._header,
            frames=self._fixes,
            damages=tuple(self._damages),
            damage_count=self._damage_count,
            unknown=self._unknown,
            trailer=trailer,
        )

    def _take_header(self, octets: Octets) -> int:
        start = octets[:HEADER_SIZE].tobytes()
        self._kind = kind_of(start)
        try:
            self._header = decode_header(start)
        except TrackError:
            self._gap = Gap(0)
            return 0
        self._at = self._whole_to = HEADER_SIZE
        return HEADER_SIZE

    def _take_regular(self, octets: Octets) -> int:
        """Take GNSS frames up to the first place where there is no sound one; gives the number of bytes."""
        rows = octets[: len(octets) // FRAME_SIZE * FRAME_SIZE].reshape(-1, FRAME_SIZE)
        sound = 0
        for block in range(0, len(rows), AT_ONCE):
            held = fixes_hold(rows[block : block + AT_ONCE])
            if not held.all():
                sound += int(held.argmin())
                break
            sound += len(held)
        if sound:
            self._accept(octets[: sound * FRAME_SIZE], FRAME_SIZE)
        return sound * FRAME_SIZE

    def _take_irregular(self, octets: Octets, limit: int) -> int:
        """Take what ends with a sound frame, if that begins before `limit`; gives the number of bytes."""
        done = 0
        for start, length, count in sound_runs(octets, limit):
            self._widen_gap(octets[done:start])
            self._close_gap(at_end=False)
            done = start + length * count
            self._accept(octets[start:done], length)
        return done

    def _take_end(self, octets: Octets) -> bytes:
        """Take what follows the last sound frame; gives the part of it that is no damage and no frame."""
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
