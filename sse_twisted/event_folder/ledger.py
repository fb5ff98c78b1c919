"""The ledger of a device, `downloads.json`: what became of each of its tracks.

The original's keys stand as they are; ours beside them say what the original never knew: `outcome` (verified,
unverified, damaged), `length` (bytes of the file), `sha256`, and `damage` in words; `unlisted` of one that never came
and that its device lists no more.

An entry is believed only for exactly the log that the device lists: same path, size, start and end. A completed entry
without our keys was made by the original: its file is examined once, and fetched again unless it is whole. Of a path
that another machine wrote, the part from `gpslogs/` on counts. A torn or foreign ledger is set aside as
`downloads.json.unusable.N`, and the tracks on disk are examined again.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import attrs
import msgspec
from attrs import define, frozen
from msgspec import Struct, field

from sse_twisted.devices.driver import Count, Driver, ListedTrack, extension_of
from sse_twisted.devices.drivers import KNOWN
from sse_twisted.event_folder.files import set_aside, write_json
from sse_twisted.event_folder.naming import EventTrack, Named
from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.event_folder.verification import Outcome
from sse_twisted.runtime.text import encodable

Entries = Mapping[str, Mapping[str, Any]]  # of a ledger, by the name of the track


DISCIPLINES = ("2s", "10s", "500m")  # of which the original keeps the best speed


class _Listed(Struct):
    """What an entry says of the listing: ms UTC, mm, mm/s."""

    motion_file: str
    size: Count
    start_date: Count
    end_date: Count = 0
    duration: Count = 0
    distance: Count = 0
    best_2s: Count | None = field(name="2s_best", default=None)
    best_10s: Count | None = field(name="10s_best", default=None)
    best_500m: Count | None = field(name="500m_best", default=None)


class Status(StrEnum):
    """The original's words."""

    QUEUED = "queued"
    SKIPPED = "skipped"
    FAILED = "failed"
    COMPLETED = "completed"


@frozen
class Fetched:
    """What a completed download is."""

    outcome: Outcome
    length: int  # bytes
    sha256: str
    remark: str = ""  # of an unverified or damaged one: why, with the offset in bytes


@define
class Ledger:
    """The entries of one device by local file name. `load` and `save` block."""

    path: Path
    entries: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    set_aside: Path | None = None  # where a ledger that could not be read went
    changed: bool = False  # since it was last on disk
    driver: Driver = KNOWN[0]

    @classmethod
    def load(cls, path: Path, driver: Driver = KNOWN[0]) -> Ledger:
        """The ledger at `path`; a torn or foreign one is set aside and begun anew. Raises OSError."""
        return cls.read(path, driver) or cls(path, set_aside=set_aside(path), driver=driver)

    @classmethod
    def read(cls, path: Path, driver: Driver = KNOWN[0]) -> Ledger | None:
        """The ledger at `path`, or None if it is torn or foreign. Raises OSError."""
        try:
            tree = json.loads(path.read_bytes())
        except FileNotFoundError:
            return cls(path, driver=driver)
        except (ValueError, RecursionError, IsADirectoryError):
            return None
        if not isinstance(tree, dict) or not all(map(_is_entry, tree.values())):
            return None
        return cls(path, tree, driver=driver)

    def save(self) -> None:
        """Write the ledger to disk; raises OSError."""
        write_json(self.path, self.entries)
        self.changed = False

    def record(self, track: EventTrack, status: Status, fetched: Fetched | None = None) -> None:
        """Note what became of a track, to be saved. `fetched` belongs to a completed one."""
        log = track.log
        entry: dict[str, Any] = {
            "motion_file": log.file,
            "local_file": track.local_file,
            "size": log.size,
            "start_date": log.start_date,
            "end_date": log.end_date,
            "duration": log.duration,
            "distance": log.distance,
            **{f"{name}_best": log.claim(name) or 0 for name in DISCIPLINES},
            "status": str(status),
        }
        if fetched is not None:
            entry |= _words(fetched)
        if self.entries.get(track.name) != entry:
            self.entries[track.name] = entry
            self.changed = True

    def rename(self, old: str, track: EventTrack, fetched: Fetched | None = None) -> None:
        """Note that the track `old` has another name now; whatever had that name leaves."""
        entry = self.entries[old] | {"local_file": track.local_file} | (_words(fetched) if fetched else {})
        others = ((name, other) for name, other in self.entries.items() if name != track.name)
        self.entries = {track.name if name == old else name: entry if name == old else other for name, other in others}
        self.changed = True

    def drop(self, name: str) -> None:
        """Forget an entry: another one tells of its log."""
        self.changed = self.entries.pop(name, None) is not None or self.changed

    def queue(self, track: EventTrack) -> None:
        """Note that a track is to be fetched, unless it failed and waits for its retry."""
        entry = self.entries.get(track.name)
        if entry is None or entry.get("status") != Status.FAILED or "unlisted" in entry or not _same_log(entry, track):
            self.record(track, Status.QUEUED)

    def give_up(self, listed: Container[str]) -> None:
        """Note of which tracks that are waited for the device lists the file no more, and was believed."""
        for name, entry in self.entries.items():
            if is_waited_for(entry) and entry.get("motion_file") not in listed:
                self.entries[name] = entry | {"unlisted": True}
                self.changed = True

    def fetched(self, track: EventTrack) -> Fetched | None:
        """The completed download of exactly this track, at this size; None if there is none or the original made it."""
        entry = self.entries.get(track.name)
        if entry is None or not _same_log(entry, track):
            return None
        return self.completed(track.name)

    def completed(self, name: str) -> Fetched | None:
        """The completed download of that name, whatever became of its log since; None if the original made it."""
        entry = self.entries.get(name, {})
        if entry.get("status") != Status.COMPLETED:
            return None
        length, size, outcome = entry.get("length"), entry.get("size"), entry.get("outcome")
        if type(length) is not int or type(size) is not int or outcome not in tuple(Outcome):
            return None
        if outcome == Outcome.VERIFIED and not self.driver.is_whole(size, length):
            return None
        return Fetched(Outcome(outcome), length, str(entry.get("sha256", "")), str(entry.get("damage", "")))

    def named(self) -> tuple[Named, ...]:
        """The logs that have a name here."""
        logs = ((name, _log(entry, self.driver), entry.get("status")) for name, entry in self.entries.items())
        return tuple(Named(name, log, status == Status.COMPLETED) for name, log, status in logs if log is not None)


def is_waited_for(entry: Mapping[str, Any]) -> bool:
    """Whether an entry tells of a track that is to be fetched, and can be."""
    return entry.get("status") in (Status.QUEUED, Status.FAILED) and "unlisted" not in entry


def _words(fetched: Fetched) -> dict[str, Any]:
    """Our keys of an entry."""
    words = {"outcome": str(fetched.outcome), "length": fetched.length, "sha256": fetched.sha256}
    return words | ({"damage": fetched.remark} if fetched.remark else {})


def read_entries(path: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of a ledger for reading only: {} if it is unreadable, and nothing is set aside."""
    try:
        data = path.read_bytes()
        tree = json.loads(data, object_pairs_hook=_encodable if b"\\ud" in data.lower() else None)
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: entry for name, entry in tree.items() if _is_entry(entry)} if isinstance(tree, dict) else {}


def _encodable(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {encodable(key): encodable(value) if isinstance(value, str) else value for key, value in pairs}


def local_file_of(name: str, entry: Mapping[str, Any]) -> str | None:
    """Return the path of an entry's track below the event folder: the entry's own, or else the one of its name.

    The original wrote absolute paths of some machine. None if neither the entry nor the name has a path.
    """
    path = entry.get("local_file")
    if isinstance(path, str) and path.startswith("gpslogs/") and ".." not in path.split("/"):
        return path
    parsed = TrackName.parse(name)
    return parsed.local_file if parsed else None


def _is_entry(value: object) -> bool:
    return isinstance(value, dict) and not any(isinstance(item, dict | list) for item in value.values())


def _log(entry: Mapping[str, Any], driver: Driver) -> ListedTrack | None:
    """Return what the device listed when the entry was made, None if the entry makes no sense."""
    try:
        known = msgspec.convert(entry, _Listed)
    except msgspec.ValidationError:
        return None
    bests = (("2s", known.best_2s), ("10s", known.best_10s), ("500m", known.best_500m))
    return ListedTrack(
        known.motion_file,
        known.size,
        known.start_date,
        driver.length_of(known.size),
        end_date=known.end_date,
        duration=known.duration,
        distance=known.distance,
        claims=tuple((name, best) for name, best in bests if best is not None),
        extension=extension_of(known.motion_file, Path(str(entry.get("local_file"))).suffix),
    )


def _same_log(entry: Mapping[str, Any], track: EventTrack) -> bool:
    log = track.log
    mine = (log.file, log.size, log.start_date, log.end_date)
    return mine == tuple(entry.get(key) for key in ("motion_file", "size", "start_date", "end_date"))


@frozen
class StoredTrack:
    """A track that is in the event folder; `sha256` as the ledger has it, "" where the original made the entry."""

    identifier: int
    name: str
    local_file: str  # below the event folder
    sha256: str
