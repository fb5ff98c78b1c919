"""A small format of text lines, without header and device: a model for a format that is not OAO."""

from __future__ import annotations

import re

import numpy as np

from sse_twisted.tracks import format as track
from sse_twisted.tracks.format import Buffer, Damage, Integrity

MAGIC = b"TOY\n"


def line(values: list[int]) -> bytes:
    """Ms UTC, latitude and longitude in 1e-7 degrees, speed in mm/s, and a checksum."""
    text = b"%d %d %d %d" % tuple(values)
    return text + b" %02x\n" % (sum(text) & 255)


class ToyVerifier:
    header = None

    def __init__(self) -> None:
        self.verified_to = 0
        self.found: list[tuple[int, list[int]]] = []  # offset and values of each sound line
        self._rest = b""
        self._at = 0
        self._damages: list[Damage] = []

    def feed(self, data: Buffer) -> None:
        *lines, self._rest = (self._rest + bytes(data)).split(b"\n")
        for text in lines:
            self._take(text + b"\n")

    def finish(self) -> Integrity:
        if self._rest:
            self._take(self._rest)
        if not self._at or (self._damages and not self._damages[0].offset):
            return Integrity(self._at, track.UNKNOWN)
        found, lost = len(self.found), len(self._damages)
        return Integrity(self._at, "toy", None, found, tuple(self._damages), lost, whole=not lost)

    def _take(self, text: bytes) -> None:
        values = [int(word) for word in text.split()[:4] if re.fullmatch(rb"-?\d{1,17}", word)]
        sound = text == MAGIC if not self._at else len(values) == 4 and line(values) == text
        if not sound:
            self._damages.append(Damage(self._at, len(text), "damaged line"))
        elif self._at and (not self._damages or self._damages[0].offset):
            self.found.append((self._at, values))
        self._at += len(text)
        self.verified_to = self.verified_to if self._damages else self._at


class ToyFormat:
    name = "toy"
    extension = ".toy"

    def recognises(self, start: bytes) -> bool:
        return start.startswith(MAGIC)

    def verifier(self) -> ToyVerifier:
        return ToyVerifier()

    def decode(self, data: Buffer) -> track.Track:
        verifier = ToyVerifier()
        verifier.feed(data)
        rows = np.array([values for _, values in verifier.found], np.int64).reshape(-1, 4)
        fixes = track.Fixes(rows[:, 0], rows[:, 1] / 1e7, rows[:, 2] / 1e7, rows[:, 3])
        return track.Track(
            fixes=fixes,
            integrity=verifier.finish(),
            offsets=np.array([offset for offset, _ in verifier.found], np.int64),
            fix_size=45,
            rate=track.measured_rate(fixes.time),
            rules=track.Rules(),
            speeds=track.SpeedSource.POSITIONS,
            evidence=track.Evidence.CONSISTENT,
        )
