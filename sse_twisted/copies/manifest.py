"""The manifest of a copy, `.sse_twisted/manifest.jsonl`: each file with bytes, SHA-256 and time, and each move.

It has one JSON object a line, in the order of what was done; the last line about a path counts. A line that cannot be
read, torn by a power cut, is left out: its file is read and compared again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from attrs import define, field
from msgspec import Meta, Struct

from sse_twisted.copies.source import STATE, is_track
from sse_twisted.event_folder.folder import Stamp

PATH = f"{STATE}/manifest.jsonl"
MAX_SIZE = 256 * 1024 * 1024  # bytes
MAX_SPARE = 2_000  # lines that no longer count, until the manifest is written anew


class Entry(Struct, frozen=True, omit_defaults=True):
    """A file of a copy, or its move: `was` is then its former path. Without `sha256`, the file was removed."""

    path: str
    size: Annotated[int, Meta(ge=0)]  # bytes
    mtime_ns: int  # of the file in the event folder, in ns since 1970; some disks keep s only
    sha256: str
    at: float  # s since 1970
    was: str = ""
    aside: bool = False  # whether it is kept although the event folder has other bytes at its former path

    @property
    def stamp(self) -> Stamp:
        return self.mtime_ns, self.size


@define
class Manifest:
    """The files of a copy by their paths."""

    entries: dict[str, Entry] = field(factory=dict)
    lines: int = 0

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        manifest, decoder = cls(), msgspec.json.Decoder(Entry)
        for line in data.splitlines():
            try:
                manifest.add(decoder.decode(line))
            except (msgspec.DecodeError, RecursionError):
                manifest.lines += 1
        return manifest

    def add(self, entry: Entry) -> bytes:
        """Take an entry, and return its line."""
        for path in (entry.was, entry.path):
            self.entries.pop(path, None)
        if entry.sha256:
            self.entries[entry.path] = entry
        self.lines += 1
        return _line(entry)

    @property
    def is_wordy(self) -> bool:
        """Whether most lines no longer count."""
        return self.lines > 4 * len(self.entries) + MAX_SPARE

    def written_anew(self) -> bytes:
        """Return all lines that count; an entry keeps its last move."""
        self.lines = len(self.entries)
        return b"".join(map(_line, self.entries.values()))

    def tracks(self) -> Iterator[Entry]:
        """Yield the tracks, without those that were superseded."""
        for path, entry in tuple(self.entries.items()):
            if is_track(path):
                yield entry


def _line(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"
