"""The registry of track formats: find the format of a file, verify it and decode it."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

from msgspec.structs import replace

from sse_twisted.tracks.evidence import is_named_later, is_rolled_over, without_rollover
from sse_twisted.tracks.fit.decoding import FitFormat
from sse_twisted.tracks.format import UNKNOWN, Buffer, Header, Integrity, Track, TrackFormat, Verifier
from sse_twisted.tracks.gpx import GpxFormat
from sse_twisted.tracks.gpy import GpyFormat
from sse_twisted.tracks.oao.decoding import OaoFormat
from sse_twisted.tracks.sbn import SbnFormat
from sse_twisted.tracks.sbp import SbpFormat
from sse_twisted.tracks.ubx import UbxFormat
from sse_twisted.tracks.whole_files import WholeFileVerifier

# The first is used where neither content nor name tells the format: it finds fixes behind a damaged header.
FORMATS: Final[tuple[TrackFormat, ...]] = (
    OaoFormat(),
    UbxFormat(),
    SbnFormat(),
    SbpFormat(),
    GpyFormat(),
    FitFormat(),
    GpxFormat(),
)
_OF_VERIFIED: Final[dict[str, TrackFormat]] = {"oao": OaoFormat(is_verified=True)}
START_SIZE: Final = 512  # bytes that are enough to recognise a format
MAX_SIZE: Final = 64 * 1024 * 1024  # bytes of a track that is measured; the longest that was ever listed has 25.7 MB
SNIFFED: Final = 64 * 1024  # bytes in which fixes are searched for if the first ones tell nothing

# Kinds of files that cannot be read; messages name them.
_FOREIGN: Final = {
    "nmea": re.compile(rb"\s*\$(G[A-Z][A-Z]{3}|P[A-Z0-9]{3,}),"),
    "zip": re.compile(rb"PK\x03\x04"),
    "gzip": re.compile(rb"\x1f\x8b"),
    "7z": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "rar": re.compile(rb"Rar!\x1a\x07"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "png": re.compile(rb"\x89PNG\r\n"),
    "heic": re.compile(rb".{4}ftyp(hei|mif)", re.DOTALL),
    "pdf": re.compile(rb"%PDF-"),
}


def kind_of(start: bytes) -> str:
    """Return the name of a format, of a known kind of other file, or "unknown", by the first 512 bytes."""
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


def recognise(data: Buffer, path: str = "") -> TrackFormat | None:
    """Return the format of a whole file: by its first bytes, otherwise by fixes near its start, otherwise by its name.

    None if nothing tells. The name comes last: a GPX that is called .sbp is a GPX.
    """
    start = bytes(data[:START_SIZE])
    told = _by_start(start)
    if told is not None or kind_of(start) != UNKNOWN:
        return told
    piece = bytes(data[:SNIFFED])
    return next((each for each in FORMATS if _finds_fixes(each, piece)), None) or format_named(path)


def decode(data: Buffer, path: str = "", *, is_verified: bool = False) -> Track:
    """Decode a file of any kind. Raises nothing: a file of an unknown format is a track without fixes.

    Of a file that is verified and was whole, no checksum is computed again where that takes long.
    Where a GPS week rollover has dated it and its name has the true date, as a handed-in track has, the name counts.
    """
    form = recognise(data, path) or FORMATS[0]
    track = (_OF_VERIFIED.get(form.name, form) if is_verified else form).decode(data)
    if is_rolled_over(track.fixes.time) and is_named_later(PurePath(path).name, track.fixes.time):
        track = without_rollover(track)
    return replace(track, integrity=_named(track.integrity, bytes(data[:START_SIZE])))


def _by_start(start: bytes) -> TrackFormat | None:
    return next((each for each in FORMATS if each.recognises(start)), None)


def _finds_fixes(form: TrackFormat, piece: bytes) -> bool:
    verifier = form.verifier()
    verifier.feed(piece)
    integrity = verifier.finish()
    return integrity.kind == form.name and integrity.fixes > 0


class FileVerifier:
    """A `Verifier` of what a device sends: in the format that its name tells, otherwise in that of its first 512 bytes.

    A device cannot choose by what it sends which reader takes its bytes. Nor can it fill the memory: a format that
    needs the whole file is not verified, only named.
    """

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
            start = self._start[:START_SIZE]
            chosen = (format_named(self._path) or _by_start(start) or FORMATS[0]).verifier()
            self._verifier = FORMATS[0].verifier() if isinstance(chosen, WholeFileVerifier) else chosen
            self._start = self._start[:START_SIZE]
        return self._verifier


def _named(integrity: Integrity, start: bytes) -> Integrity:
    return replace(integrity, kind=kind_of(start)) if integrity.kind == UNKNOWN else integrity
