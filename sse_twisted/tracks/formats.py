"""The registry of track formats: find the format of a file, verify it and decode it."""

from __future__ import annotations

import re
from typing import Final

from attrs import evolve

from sse_twisted.tracks.format import UNKNOWN, Buffer, Header, Integrity, Track, TrackFormat, Verifier
from sse_twisted.tracks.oao.decoding import OaoFormat

# The first is used where neither content nor name tells the format: it finds fixes behind a damaged header.
FORMATS: Final[tuple[TrackFormat, ...]] = (OaoFormat(),)
START_SIZE: Final = 512  # bytes that are enough to recognise a format
MAX_SIZE: Final = 64 * 1024 * 1024  # bytes of a track that is measured; the longest that was ever listed has 25.7 MB

# Kinds of files that cannot be read; messages name them.
_FOREIGN: Final = {
    "ubx": re.compile(rb"\xb5\x62"),
    "sbn": re.compile(rb"\xa0\xa2"),
    # Locosys: two bytes of length, then a SiRF message of identifier 0xFD inside a block of 64 bytes.
    "sbp": re.compile(rb"..\xa0\xa2..\xfd", re.DOTALL),
    "fit": re.compile(rb".{8}\.FIT", re.DOTALL),
    "gpx": re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml\b.*?)?<gpx\b", re.DOTALL),
    "nmea": re.compile(rb"\s*\$(G[A-Z][A-Z]{3}|P[A-Z0-9]{3,}),"),
}


def kind_of(start: bytes) -> str:
    """Return the name of a format, "ubx", "sbn", "sbp", "fit", "gpx", "nmea", or "unknown", by the first 512 bytes."""
    start = bytes(start[:START_SIZE])
    ours = [each.name for each in FORMATS if each.recognises(start)]
    foreign = [kind for kind, pattern in _FOREIGN.items() if pattern.match(start)]
    return [*ours, *foreign, UNKNOWN][0]


def is_readable(kind: str) -> bool:
    """Tell whether `kind` is the name of a format."""
    return any(each.name == kind for each in FORMATS)


def format_named(path: str) -> TrackFormat | None:
    """Return the format to which the extension of a file belongs; None if there is none."""
    return next((each for each in FORMATS if path.lower().endswith(each.extension)), None)


def format_of(start: bytes, path: str = "") -> TrackFormat:
    """Return the format of a file by its first bytes, otherwise by its extension, otherwise the first format."""
    start = bytes(start[:START_SIZE])
    return next((each for each in FORMATS if each.recognises(start)), None) or format_named(path) or FORMATS[0]


def decode(data: Buffer, path: str = "") -> Track:
    """Decode a file of any kind. Raises nothing: a file of an unknown format is a track without fixes."""
    start = bytes(data[:START_SIZE])
    track = format_of(start, path).decode(data)
    return evolve(track, integrity=_named(track.integrity, start))


class FileVerifier:
    """A `Verifier` of files of any kind; their first 512 bytes choose the format."""

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._start = b""
        self._verifier: Verifier | None = None

    @property
    def header(self) -> Header | None:
        return self._verifier.header if self._verifier else None

    @property
    def verified_to(self) -> int:
        return self._verifier.verified_to if self._verifier else 0

    def feed(self, data: Buffer) -> None:
        if self._verifier is None:
            self._start += data
            if len(self._start) < START_SIZE:
                return
            data = self._start
        self._chosen().feed(data)

    def finish(self) -> Integrity:
        if self._verifier is None:
            self._chosen().feed(self._start)
        return _named(self._chosen().finish(), self._start)

    def _chosen(self) -> Verifier:
        if self._verifier is None:
            self._verifier = format_of(self._start, self._path).verifier()
            self._start = self._start[:START_SIZE]
        return self._verifier


def _named(integrity: Integrity, start: bytes) -> Integrity:
    kind = kind_of(start)
    return evolve(integrity, kind=kind) if integrity.kind == UNKNOWN and not is_readable(kind) else integrity
