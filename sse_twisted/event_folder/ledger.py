"""The ledger of a device, `downloads.json`: what became of each of its tracks.

The original's keys stand as they are; ours beside them say what the original never knew: `outcome` (verified,
unverified, damaged), `length` (bytes of the file), `sha256`, and `damage` in words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from sse_twisted.event_folder.files import set_aside, write_json
from sse_twisted.event_folder.names import Track
from sse_twisted.motion.messages import TRAILER
from sse_twisted.verification import Outcome


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
    entries: dict[str, dict[str, Any]] = field(factory=dict)
    set_aside: Path | None = None  # where a ledger that could not be read went
    changed: bool = False  # since it was last on disk

    @classmethod
    def load(cls, path: Path) -> Ledger:
        """The ledger at `path`; a torn or foreign one is set aside and begun anew. Raises OSError."""
        try:
            tree = json.loads(path.read_bytes())
        except FileNotFoundError:
            return cls(path)
        except (ValueError, RecursionError, IsADirectoryError):
            return cls(path, set_aside=set_aside(path))
        if not isinstance(tree, dict) or not all(map(_is_entry, tree.values())):
            return cls(path, set_aside=set_aside(path))
        return cls(path, tree)

    def save(self) -> None:
        """Write the ledger to disk; raises OSError."""
        write_json(self.path, self.entries)
        self.changed = False

    def record(self, track: Track, status: Status, fetched: Fetched | None = None) -> None:
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
            "2s_best": log.best_2s or 0,
            "10s_best": log.best_10s or 0,
            "500m_best": log.best_500m or 0,
            "status": str(status),
        }
        if fetched is not None:
            entry |= {"outcome": str(fetched.outcome), "length": fetched.length, "sha256": fetched.sha256}
            entry |= {"damage": fetched.remark} if fetched.remark else {}
        if self.entries.get(track.name) != entry:
            self.entries[track.name] = entry
            self.changed = True

    def queue(self, track: Track) -> None:
        """Note that a track is to be fetched, unless it failed and waits for its retry."""
        entry = self.entries.get(track.name)
        if entry is None or entry.get("status") != Status.FAILED or not _same_log(entry, track):
            self.record(track, Status.QUEUED)

    def fetched(self, track: Track) -> Fetched | None:
        """The completed download of exactly this track, at this size; None if there is none or the original made it."""
        entry = self.entries.get(track.name)
        if entry is None or entry.get("status") != Status.COMPLETED or not _same_log(entry, track):
            return None
        length, outcome = entry.get("length"), entry.get("outcome")
        if type(length) is not int or outcome not in tuple(Outcome):
            return None
        if outcome == Outcome.VERIFIED and length - track.log.length not in (0, TRAILER):
            return None
        return Fetched(Outcome(outcome), length, str(entry.get("sha256", "")), str(entry.get("damage", "")))


def read_entries(path: Path) -> dict[str, dict[str, Any]]:
    """What a ledger holds, for somebody who only looks: {} if it can't be read, and nothing is set aside."""
    try:
        tree = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: entry for name, entry in tree.items() if _is_entry(entry)} if isinstance(tree, dict) else {}


def local_file_of(name: str, entry: Mapping[str, Any]) -> str | None:
    """Where the track of an entry is below the event folder; the original wrote the path of some machine.

    None where neither the entry nor the date in the name tells.
    """
    path = entry.get("local_file")
    if isinstance(path, str) and path.startswith("gpslogs/") and ".." not in path.split("/"):
        return path
    dated = re.fullmatch(r"[A-Za-z0-9-]+_[0-9]+_([0-9]{8})_[0-9]{6}(-[0-9]+)?\.[A-Za-z0-9]+", name)
    return f"gpslogs/{dated[1]}/{name}" if dated else None


def _is_entry(value: object) -> bool:
    return isinstance(value, dict) and not any(isinstance(item, dict | list) for item in value.values())


def _same_log(entry: Mapping[str, Any], track: Track) -> bool:
    log = track.log
    mine = (log.file, log.size, log.start_date, log.end_date)
    return mine == tuple(entry.get(key) for key in ("motion_file", "size", "start_date", "end_date"))
