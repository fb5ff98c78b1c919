"""What of an event folder belongs into its copies: no password, key, token or lock, and no file that is not whole."""

from __future__ import annotations

import functools
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from enum import IntEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from sse_twisted.event_folder.folder import EVENT_ID, SECRETS, EventFolder, Stamp
from sse_twisted.event_folder.ledger import Status, local_file_of

STATE = ".sse_twisted"
STARTS = f"{STATE}/starts"
PAUSED = f"{STATE}/paused.json"
CONFIGURATION = f"{STATE}/configuration"  # of a copy: the file of --config, which may be elsewhere
ROSTER = "config/motions.csv"
SUPERSEDED = "gpslogs/superseded/"
FOLDERS = ("gpslogs", "motions", "config", "results", "gpsdata", "logs", "hand-in")
KEPT = "hand-in/kept/"
HANDED_IN = (KEPT, "hand-in/ledger.jsonl")  # what is being handed in is no file of ours yet
OWN = {f"{STATE}/{name}" for name in ("roster.json", EVENT_ID)} | {PAUSED}
TEXTS = (".csv", ".json", ".jsonl", ".toml", ".txt", ".md", ".xlsx", ".ods")  # in config/, where keys may be, too
NEVER = (".part", ".tmp", ".pem", ".key", ".p12", ".pfx", ".ppk", ".kdbx")
# In names of texts in config/.
SECRET = re.compile(r"(?<![a-z])(passwords?|(ht)?passwd|tokens?|secrets?)(?![a-z])", re.IGNORECASE)
START = re.compile(rf"{STARTS}/[0-9a-f]{{32}}\.json")
MAX_REMEMBERED = 100_000  # kinds, by path
MAX_DEPTH = 6  # folders in each other


class Kind(IntEnum):
    """Kinds of files, in the order in which they are copied. Those from STATE on change again and again."""

    START = 0
    TRACK = 1  # neither replaced nor deleted in a copy
    RECORD = 2  # answers, ledgers, roster, courses, decisions, results
    STATE = 3
    LOG = 4


@functools.lru_cache(MAX_REMEMBERED)
def kind_of(path: str) -> Kind | None:
    """Return the kind of a file by its path below the event folder, None if it does not belong into a copy."""
    top, _, rest = path.partition("/")
    name = path.rpartition("/")[2]
    if name in SECRETS or name.lower().endswith(NEVER) or any(part.startswith(".") for part in rest.split("/")):
        return None
    if top == STATE:
        return _kind_of_own(path)
    if top not in FOLDERS or not rest or (top == "hand-in" and not path.startswith(HANDED_IN)):
        return None
    if top == "config" and (SECRET.search(rest) or not name.lower().endswith(TEXTS)):
        return None
    return {"gpslogs": Kind.TRACK, "logs": Kind.LOG}.get(top, Kind.RECORD)


def is_track(path: str) -> bool:
    """Whether a file is a track, and none that was superseded."""
    return kind_of(path) is Kind.TRACK and not path.startswith(SUPERSEDED)


def _kind_of_own(path: str) -> Kind | None:
    if START.fullmatch(path):
        return Kind.START
    if path == f"{STATE}/memory.json":
        return Kind.STATE
    return Kind.RECORD if path in OWN or path.startswith(f"{CONFIGURATION}/") else None


class Look(Struct, frozen=True, eq=False):
    """What of an event folder belongs into a copy, as seen at one moment."""

    files: Mapping[str, Stamp] = msgspec.field(default_factory=dict)
    tracks: int = 0
    version: int = 0  # grows with each change of a file that does not change again and again


class Source(Struct, frozen=True):
    """An event folder, and the file of --config, which may be elsewhere. Methods block."""

    folder: EventFolder
    configuration: Path | None = None
    hidden: tuple[Path, ...] = ()  # files of passwords and tokens, wherever they are

    def look(self, before: Look) -> Look:
        """Return the files of now, or `before` if nothing has changed since. Raises OSError."""
        files, known = self.find(), before.files
        changed = [path for path, stamp in files.items() if known.get(path) != stamp]
        changed += [path for path in known if path not in files]
        if before.version and not changed:
            return before
        has_news = not before.version or any(is_lasting(path) for path in changed)
        return Look(files, sum(map(is_track, files)), before.version + has_news)

    def find(self) -> dict[str, Stamp]:
        """Return the files that belong into a copy, by path, with their stamps. Raises OSError."""
        secrets = set()
        for file in self.hidden:
            with suppress(OSError):
                status = file.stat()
                secrets.add((status.st_dev, status.st_ino))
        found = find_files(self.folder.root, secrets)
        for path, file in self._elsewhere():
            with suppress(OSError):
                status = file.stat()
                if stat.S_ISREG(status.st_mode):
                    found[path] = (status.st_mtime_ns, status.st_size)
        return found

    def _elsewhere(self) -> Iterator[tuple[str, Path]]:
        """Yield what may be in other folders: the file of --config, and a roster to which the operator has linked."""
        if self.configuration is not None:
            yield f"{CONFIGURATION}/{self.configuration.name}", self.configuration
        roster = self.folder.roster
        with suppress(OSError):
            if roster.is_symlink() and roster.lstat().st_uid in (0, os.geteuid()):
                yield ROSTER, roster

    def file(self, path: str) -> Path:
        """Return where the file of a path is."""
        if self.configuration is not None and path == f"{CONFIGURATION}/{self.configuration.name}":
            return self.configuration
        return self.folder.root / path

    def recorded(self, path: str) -> str:
        """Return the SHA-256 of a track in its ledger; "" if no ledger has it."""
        for entries in self.folder.all_entries().values():
            for name, entry in entries.items():
                if local_file_of(name, entry) == path and entry.get("status") == Status.COMPLETED:
                    return str(entry.get("sha256") or "")
        return ""


def is_lasting(path: str) -> bool:
    """Whether a file of a copy is none that changes again and again, as state and logs do."""
    return (kind_of(path) or 0) < Kind.STATE


def find_files(root: Path, hidden: Collection[tuple[int, int]] = ()) -> dict[str, Stamp]:
    """Return the files of a folder that belong into a copy. Blocks; raises OSError.

    What is gone when it is looked at is left out, and so are the files `hidden`, by device and inode.
    """
    return {
        path: (status.st_mtime_ns, status.st_size)
        for path, status in walk(root)
        if kind_of(path) is not None and (status.st_dev, status.st_ino) not in hidden
    }


def is_leftover(path: str) -> bool:
    """Whether a file is the hidden one of a write that did not end."""
    name = path.rpartition("/")[2]
    return name.startswith(".") and name.endswith(".tmp")


def walk(root: Path, *, follow: bool = True) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the regular files of a folder. Blocks; raises OSError.

    No links are followed, except with `follow` those of upper folders.
    """
    for top in (STATE, *FOLDERS):
        if follow or not (root / top).is_symlink():
            yield from _below(root, top, MAX_DEPTH)


def _below(root: Path, folder: str, depth: int) -> Iterator[tuple[str, os.stat_result]]:
    try:
        entries = os.scandir(root / folder)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    with entries:
        for entry in entries:
            path = f"{folder}/{entry.name}"
            try:
                if entry.is_dir(follow_symlinks=False):
                    if depth and not entry.name.startswith("."):
                        yield from _below(root, path, depth - 1)
                    continue
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield path, status
