"""The ledger of the hand-ins, `hand-in/ledger.jsonl`: one line a step, with its time and by whom. Nothing rewrites it.

The state of a hand-in is what its lines say, in their order. A line that a power cut has torn does not count; the file
that it was about is examined again. Serial numbers are in this file, which is for its owner only, and nowhere else.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from attrs import define, field
from msgspec import Struct
from msgspec.structs import replace

from sse_twisted.event_folder.files import add_folder, sync
from sse_twisted.runtime.bounded_file import read_bounded

FOLDER: Final = "hand-in"
KEPT: Final = f"{FOLDER}/kept"  # the files as they came
PATH: Final = f"{FOLDER}/ledger.jsonl"
MAX_LEDGER: Final = 500_000_000  # bytes
KEY: Final = 12  # digits of the SHA-256 by which people name a hand-in


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="step", tag=str.lower):
    """A line. `sha256` is that of the file, `time` in s since 1970."""

    sha256: str
    time: float
    who: str = ""


class Received(Step, frozen=True, kw_only=True):
    """A file is on disk as it came."""

    name: str  # under which it came
    size: int  # bytes
    kept: str  # path below the event folder


class Part(Struct, frozen=True):
    """The fixes of a file on one day: times in ms UTC of the first and last one, and the report of `tracks.report`."""

    start: int
    end: int
    report: dict[str, Any]


class Examined(Step, frozen=True, kw_only=True):
    """What the file itself says. `trouble` says why it is no track, and then nothing else is known."""

    version: int
    trouble: str = ""
    kind: str = ""
    extension: str = ""  # under which it is filed
    device: int = 0  # number in the header of an event device
    model: str = ""
    owner: str = ""  # that a user typed in
    serial: str = ""  # of the device, for the search of the owner only
    parts: dict[str, Part] = {}  # by day
    rolled_parts: dict[str, Part] = {}  # the same 1,024 weeks later, where the GPS week rollover may have dated them
    stray_days: tuple[str, ...] = ()  # that have too few fixes to count


class Assigned(Step, frozen=True, kw_only=True):
    """Whose the track is; an empty File ID takes it from its owner. `reason` says how that is known."""

    file_id: str
    reason: str


class Filed(Step, frozen=True, kw_only=True):
    """The path of the track of a day below the event folder; empty where it was taken away again."""

    day: dt.date
    path: str


class Counts(Step, frozen=True, kw_only=True):
    """Whether the track of a day counts instead of the event's device; None leaves it to the rule again."""

    day: dt.date
    counts: bool | None
    reason: str


Line: TypeAlias = Received | Examined | Assigned | Filed | Counts


class HandIn(Struct, frozen=True):
    """All that is known of a file that was handed in."""

    received: Received
    examined: Examined | None = None
    assigned: Assigned | None = None
    filed: Mapping[dt.date, str] = msgspec.field(default_factory=dict)
    counts: Mapping[dt.date, Counts] = msgspec.field(default_factory=dict)

    @property
    def sha256(self) -> str:
        return self.received.sha256

    @property
    def key(self) -> str:
        """The short name of the hand-in."""
        return self.sha256[:KEY]

    @property
    def name(self) -> str:
        """The name under which the file came."""
        return self.received.name

    @property
    def file_id(self) -> str:
        """The File ID of the owner; "" as long as nobody is known."""
        return self.assigned.file_id if self.assigned else ""

    @property
    def trouble(self) -> str:
        """Why the file is no track; "" if it is one, or was not examined yet."""
        return self.examined.trouble if self.examined else ""

    @property
    def parts(self) -> dict[dt.date, Part]:
        """The fixes by day. After a GPS week rollover each is there twice: by its date, and 1,024 weeks later."""
        if self.examined is None:
            return {}
        both = self.examined.parts | self.examined.rolled_parts
        return {dt.date.fromisoformat(day): part for day, part in both.items()}

    def is_dated(self, day: dt.date) -> bool:
        """Whether the fixes of a day have its date themselves, without a correction of the week."""
        return self.examined is not None and str(day) in self.examined.parts


@define
class Ledger:
    """The hand-ins by SHA-256, in the order of their arrival."""

    entries: dict[str, HandIn] = field(factory=dict)
    unreadable: int = 0  # lines

    @classmethod
    def read(cls, root: Path) -> Ledger:
        """Read the ledger of an event; without one it is empty. Raises OSError."""
        try:
            data = read_bounded(root / PATH, MAX_LEDGER)
        except FileNotFoundError:
            return cls()
        ledger, decoder = cls(), msgspec.json.Decoder(Line)
        for line in data.splitlines():
            try:
                ledger.note(decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
                ledger.unreadable += bool(line)
        return ledger

    def note(self, line: Line) -> HandIn | None:
        """Apply a step; return the hand-in after it, None if its file is not known."""
        before = self.entries.get(line.sha256)
        if isinstance(line, Received):
            after = replace(before, received=line) if before else HandIn(line)
        elif before is None:
            return None
        elif isinstance(line, Examined):
            after = replace(before, examined=line)
        elif isinstance(line, Assigned):
            after = replace(before, assigned=line)
        elif isinstance(line, Filed):
            others = {day: path for day, path in before.filed.items() if day != line.day}
            after = replace(before, filed=others | ({line.day: line.path} if line.path else {}))
        else:
            others_count = {day: each for day, each in before.counts.items() if day != line.day}
            after = replace(before, counts=others_count | ({} if line.counts is None else {line.day: line}))
        self.entries[line.sha256] = after
        return after

    def find(self, text: str) -> list[HandIn]:
        """Return the hand-ins that a text names: by key, name or the path of a filed track."""
        text = text.strip()
        return [
            entry
            for entry in self.entries.values()
            if text
            and (
                entry.sha256.startswith(text.lower())
                or text == entry.name
                or any(text in (path, path.rpartition("/")[2]) for path in entry.filed.values())
            )
        ]


def append(root: Path, lines: Iterable[Line]) -> None:
    """Add lines to the ledger, and sync it. Raises OSError.

    A line that a power cut has torn stays; the new ones begin on a line of their own.
    """
    path = root / PATH
    add_folder(path.parent, root)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        is_torn = size > 0 and file.read(1) != b"\n"
        file.write((b"\n" if is_torn else b"") + msgspec.json.Encoder().encode_lines(lines))
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync(path.parent)
