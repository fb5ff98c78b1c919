"""The ledger of a device, `downloads.json`: what became of each of its tracks.

Besides the original's keys an entry has `outcome` (verified, unverified, damaged), `length` (bytes of the file),
`sha256`, `damage` (a remark), and `unlisted` if the device no longer lists a track that was never fetched. The entry of
a track that has failed may have `resume`: what is known of resuming its transfer.

An entry counts only for exactly the log that the device lists: same path, size, start and end. A completed entry
without our keys is the original's: its file is examined once, and fetched again unless it is whole. Of a path that
another machine wrote, the part from `gpslogs/` on counts. A torn or foreign ledger is kept as
`downloads.json.unusable.N`, and the tracks on disk are examined again.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import attrs
import msgspec
from attrs import define, frozen
from msgspec import Struct

from sse_twisted.devices.driver import Count, Driver, ListedTrack, extension_of
from sse_twisted.devices.drivers import KNOWN
from sse_twisted.event_folder.files import quarantine, replacing_in
from sse_twisted.event_folder.naming import EventTrack, Named
from sse_twisted.event_folder.track_file import Mark
from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.event_folder.verification import Outcome
from sse_twisted.runtime import json_steps
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.runtime.group_sync import Steps, at_once
from sse_twisted.runtime.text import encodable, json_table

Entries = Mapping[str, Mapping[str, Any]]  # of a ledger, by the name of the track

MAX_UNLISTED = 2_000  # tracks that are neither here nor listed any more; the longest listing seen has 213
ENTRIES_PER_SAVE = 500  # of a ledger, for each track that may be completed before it is saved
DISCIPLINES = ("2s", "10s", "500m")  # whose best speeds the original stores


class _Listed(Struct):
    """The figures of the listing in an entry: bytes, ms UTC, ms, mm."""

    motion_file: str
    size: Count
    start_date: Count
    end_date: Count = 0
    duration: Count = 0
    distance: Count = 0


class Status(StrEnum):
    """The outcomes of a track, as the original spells them."""

    QUEUED = "queued"
    SKIPPED = "skipped"
    FAILED = "failed"
    COMPLETED = "completed"


class Resume(StrEnum):
    """Whether the next request for a track may resume it; an entry says nothing if it may."""

    ALLOWED = ""
    ON_TRIAL = "on trial"  # it may, after a failure that may have been the network's
    NOT_NEXT = "not next"  # the next request that is answered must be for the whole track
    NEVER = "never"


@frozen
class Fetched:
    """What a ledger knows of a track that is stored as a whole, whatever the judgement on its content."""

    outcome: Outcome
    length: int  # bytes
    sha256: str
    remark: str = ""  # why it is unverified or damaged, with the offset in bytes
    mark: Mark | None = attrs.field(default=None, eq=False)  # of its file, if this run has read or written it


@define
class Ledger:
    """The entries of one device by local file name. `load` and `save` block."""

    path: Path
    entries: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    quarantined: Path | None = None  # the new path of an unreadable ledger
    changed: bool = False  # since it was last saved
    unsaved: int = 0  # completed tracks since then
    driver: Driver = KNOWN[0]
    marks: dict[str, Mark] = attrs.field(factory=dict, init=False, eq=False)  # by name, of what this run has written
    _named: dict[str, tuple[dict[str, Any], Named | None]] = attrs.field(factory=dict, init=False, eq=False, repr=False)

    @classmethod
    def load(cls, path: Path, driver: Driver = KNOWN[0]) -> Ledger:
        """Read the ledger at `path`; quarantine an unreadable one and return an empty one. Raises OSError."""
        return cls.read(path, driver) or cls(path, quarantined=quarantine(path), driver=driver)

    @classmethod
    def read(cls, path: Path, driver: Driver = KNOWN[0]) -> Ledger | None:
        """Return the ledger at `path`, None if it is unreadable. Raises OSError."""
        try:
            tree = _parse(read_bounded(path))
        except FileNotFoundError:
            return cls(path, driver=driver)
        except (ValueError, RecursionError, IsADirectoryError):
            return None
        if not isinstance(tree, dict) or not all(map(_is_entry, tree.values())):
            return None
        return cls(path, tree, driver=driver)

    def save(self) -> None:
        """Write the ledger to disk. Raises OSError."""
        at_once(self.saving())

    def saving(self) -> Steps[None]:
        """Do the same in steps, between which nothing may be recorded."""
        yield from replacing_in(self.path.parent, self.path.name, json_table(self.entries))
        self.changed = False
        self.unsaved = 0

    def record(self, track: EventTrack, status: Status, fetched: Fetched | None = None) -> None:
        """Set the entry of a track; `fetched` is its download if it is completed."""
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
        entry |= _download_keys(fetched)
        if fetched is not None and fetched.mark is not None:
            self.marks[track.name] = fetched.mark
        else:
            self.marks.pop(track.name, None)
        if status is not Status.COMPLETED and (resume := self.resume(track)):
            entry["resume"] = str(resume)
        if self.entries.get(track.name) != entry:
            self.entries[track.name] = entry
            self.changed = True
            self.unsaved += status is Status.COMPLETED

    @property
    def is_due(self) -> bool:
        """Whether to save it after a completed track: always, but for a ledger of thousands of tracks.

        To write it takes as long as it is, and the whole would take the square of that. What is not in it yet is found
        on the disk at the next visit, and examined.
        """
        return self.unsaved > len(self.entries) // ENTRIES_PER_SAVE

    def resume(self, track: EventTrack) -> Resume:
        """Return whether the next request for a track, at this size, may resume it."""
        entry = self.entries.get(track.name, {})
        known = entry.get("resume")
        return Resume(known) if known in tuple(Resume) and _same_log(entry, track) else Resume.ALLOWED

    def note_resume(self, track: EventTrack, resume: Resume) -> None:
        """Set whether the next request for a recorded track may resume it."""
        if resume is self.resume(track):
            return
        others = {key: value for key, value in self.entries[track.name].items() if key != "resume"}
        self.entries[track.name] = others | ({"resume": str(resume)} if resume else {})
        self.changed = True

    def rename(self, old: str, track: EventTrack, fetched: Fetched | None = None) -> None:
        """Give the entry of `old` the name of `track`, and replace any entry of that name."""
        entry = self.entries[old] | {"local_file": track.local_file} | _download_keys(fetched)
        others = ((name, other) for name, other in self.entries.items() if name != track.name)
        self.entries = {track.name if name == old else name: entry if name == old else other for name, other in others}
        self.changed = True

    def drop(self, name: str) -> None:
        """Remove an entry whose log has another entry."""
        self.changed = self.entries.pop(name, None) is not None or self.changed

    def queue(self, track: EventTrack) -> None:
        """Record a track as queued, unless it has failed and waits for its retry."""
        entry = self.entries.get(track.name)
        if entry is None or entry.get("status") != Status.FAILED or "unlisted" in entry or not _same_log(entry, track):
            self.record(track, Status.QUEUED)

    def give_up(self, listed: Container[str]) -> None:
        """Mark pending tracks as unlisted whose paths are not in `listed`."""
        for name, entry in self.entries.items():
            if is_pending(entry) and entry.get("motion_file") not in listed:
                self.entries[name] = entry | {"unlisted": True}
                self.changed = True

    def shorten(self, listed: Iterable[str]) -> None:
        """Drop the oldest tracks that are neither completed nor `listed`, by name, beyond MAX_UNLISTED."""
        if len(self.entries) <= MAX_UNLISTED:
            return
        listed = frozenset(listed)
        names = [
            name
            for name, entry in self.entries.items()
            if name not in listed and entry.get("status") != Status.COMPLETED
        ]
        for name in names[: max(len(names) - MAX_UNLISTED, 0)]:
            self.drop(name)

    def fetched(self, track: EventTrack) -> Fetched | None:
        """Return the completed download of this track at this size; None without one, or if the original made it."""
        is_same = _same_log(self.entries.get(track.name, {}), track)
        return self.completed(track.name) if is_same else None

    def completed(self, name: str) -> Fetched | None:
        """Return the completed download `name`, even if its log has grown since; None if the original made it."""
        entry = self.entries.get(name, {})
        if entry.get("status") != Status.COMPLETED:
            return None
        length, size, outcome = entry.get("length"), entry.get("size"), entry.get("outcome")
        if type(length) is not int or type(size) is not int or outcome not in tuple(Outcome):
            return None
        if outcome == Outcome.VERIFIED and not self.driver.is_whole(size, length):
            return None
        sha256, remark = str(entry.get("sha256", "")), str(entry.get("damage", ""))
        return Fetched(Outcome(outcome), length, sha256, remark, self.marks.get(name))

    def named(self) -> tuple[Named, ...]:
        """Return the logs that have a name in this ledger.

        No entry changes, but is replaced: what it says is worked out once.
        """
        before, self._named = self._named, {}
        for name, entry in self.entries.items():
            known = before.get(name)
            if known is None or known[0] is not entry:
                known = entry, _named(name, entry, self.driver)
            self._named[name] = known
        return tuple(named for _, named in self._named.values() if named is not None)


def is_pending(entry: Mapping[str, Any]) -> bool:
    """Whether the track of an entry is still to be fetched."""
    return entry.get("status") in (Status.QUEUED, Status.FAILED) and "unlisted" not in entry


def _download_keys(fetched: Fetched | None) -> dict[str, Any]:
    """Return the keys that an entry has besides the original's."""
    if fetched is None:
        return {}
    keys = {"outcome": str(fetched.outcome), "length": fetched.length, "sha256": fetched.sha256}
    return keys | ({"damage": fetched.remark} if fetched.remark else {})


def read_entries(path: Path) -> dict[str, dict[str, Any]]:
    """Return the valid entries of a ledger for reading only; {} if it is unreadable, which stays in its place."""
    try:
        tree = _parse(read_bounded(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: entry for name, entry in tree.items() if _is_entry(entry)} if isinstance(tree, dict) else {}


def _parse(data: bytes) -> Any:
    """Parse JSON, with a replacement for each half of a surrogate pair: no file name, page or log can have it."""
    may_have_halves = b"\\ud" in data.lower() or b"\xed" in data
    return json_steps.loads(data, object_pairs_hook=_encodable if may_have_halves else None)


def _encodable(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {encodable(key): encodable(value) if isinstance(value, str) else value for key, value in pairs}


def local_file_of(name: str, entry: Mapping[str, Any]) -> str | None:
    """Return the path of a track below the event folder, from its entry or else its name; None if both are invalid.

    The original writes absolute paths of its machine.
    """
    path = entry.get("local_file")
    if isinstance(path, str) and path.startswith("gpslogs/") and ".." not in path.split("/"):
        return path
    parsed = TrackName.parse(name)
    return parsed.local_file if parsed else None


def _is_entry(value: object) -> bool:
    return isinstance(value, dict) and not any(isinstance(item, dict | list) for item in value.values())


def _named(name: str, entry: Mapping[str, Any], driver: Driver) -> Named | None:
    log = _log(entry, driver)
    return None if log is None else Named(name, log, entry.get("status") == Status.COMPLETED)


def _log(entry: Mapping[str, Any], driver: Driver) -> ListedTrack | None:
    """Return what the device listed when the entry was made, None if the entry is invalid."""
    try:
        known = msgspec.convert(entry, _Listed)
        bests = msgspec.convert([entry.get(f"{name}_best") for name in DISCIPLINES], list[Count | None])
    except msgspec.ValidationError:
        return None
    return ListedTrack(
        known.motion_file,
        known.size,
        known.start_date,
        driver.length_of(known.size),
        end_date=known.end_date,
        duration=known.duration,
        distance=known.distance,
        claims=tuple((name, best) for name, best in zip(DISCIPLINES, bests, strict=True) if best is not None),
        extension=extension_of(known.motion_file, Path(str(entry.get("local_file"))).suffix),
    )


def _same_log(entry: Mapping[str, Any], track: EventTrack) -> bool:
    log = track.log
    mine = (log.file, log.size, log.start_date, log.end_date)
    return mine == tuple(entry.get(key) for key in ("motion_file", "size", "start_date", "end_date"))


class StoredTrack(Struct, frozen=True):
    """A track in the event folder."""

    identifier: int
    name: str
    local_file: str  # below the event folder
    sha256: str  # as in the ledger; "" if the original made the entry
    mark: Mark | None = None  # of its file, as long as that has the verified bytes of that digest; None if unknown
