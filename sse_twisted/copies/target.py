"""One copy of the event folder: whether its disk is there, whose copy it is, and what of it is missing or different.

A folder becomes a copy if it is there and empty. It then has `.sse_twisted/copy.json`; a folder without that file is
never filled again, since it may be the mount point of a disk that was unplugged.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from attrs import define, field
from msgspec import Struct

from sse_twisted.copies.batch import Batch
from sse_twisted.copies.identity import (
    IDENTITY,
    CopyRefused,
    Identity,
    check_empty,
    is_begun,
    is_same_disk,
    nesting,
    read_identity,
)
from sse_twisted.copies.lineage import Lineage, read_starts, start_names
from sse_twisted.copies.manifest import MAX_SIZE, Entry, Manifest
from sse_twisted.copies.manifest import PATH as MANIFEST
from sse_twisted.copies.source import (
    FOLDERS,
    KEPT,
    PAUSED,
    STARTS,
    STATE,
    SUPERSEDED,
    Kind,
    Source,
    is_lasting,
    is_leftover,
    kind_of,
    walk,
)
from sse_twisted.copies.tree import FOLDER_FLAGS, Tree
from sse_twisted.event_folder.files import opened_folder, renamed_at_end, write_private
from sse_twisted.event_folder.folder import EventFolder, Stamp
from sse_twisted.event_folder.lock import FolderInUse, locked
from sse_twisted.runtime.bounded_file import UnusableFile, read_bounded
from sse_twisted.runtime.file_sync import sync_open
from sse_twisted.runtime.text import one_line

BATCH_SIZE = 8_000_000  # bytes; a stick takes some seconds for them
BATCH_FILES = 32
EVENT_FOLDER = "the event folder"
FULL = {errno.ENOSPC, errno.EDQUOT}
COARSE = 2_000_000_000  # ns; FAT keeps times of files to two seconds
PATIENCE = 60.0  # s until a file that could not be copied is tried again
LOG_INTERVAL = 10.0  # s between two copies of a log
COMPARE_INTERVAL = 300.0  # s until the files of a copy are compared with the manifest again: people tidy up
SHARE = 10  # a file that changes again and again takes at most that part of the time


class CopyAway(Exception):
    """The copy cannot be written now: its disk is gone, full or read-only. It is tried again."""


class Stopped(Exception):
    """Copying was told to stop."""


class Remaining(Struct, frozen=True):
    """What a copy lacks, without what changes again and again, and what it has."""

    files: int
    size: int  # bytes
    tracks: int  # that it has
    is_all: bool  # whether nothing at all is left to do now


@define(eq=False)
class Target:
    """A copy at a path. Its methods block, and raise CopyAway, CopyRefused or Stopped."""

    root: Path
    _source: Source
    _lineage: Lineage
    _utc: Callable[[], float]
    _seconds: Callable[[], float]  # of a steady clock
    _turn: Callable[[], None]  # called between blocks; may raise Stopped
    _before: Callable[[], Iterable[Target]] = tuple  # the copies that are listed before this one
    manifest: Manifest = field(factory=Manifest, init=False)
    failures: dict[str, str] = field(factory=dict, init=False)  # why single files could not be copied, by path
    place: tuple[int, int] | None = field(default=None, init=False)  # device and inode; None while it is away
    beside: str = field(default="", init=False)  # what is on the same disk
    _token: tuple[int, int, str] | None = field(default=None, init=False)  # of the folder that was read last
    _compare_at: float = field(default=0.0, init=False)  # s, when it is read again
    _spent: tuple[str, ...] = field(default=(), init=False)  # paths of starts that the event folder has no more
    _batch_files: int = field(default=BATCH_FILES, init=False)  # at most; few on a full disk, so that some get there
    _unsaved: bytearray = field(factory=bytearray, init=False)  # lines of the manifest
    _is_torn: bool = field(default=False, init=False)  # whether a line of the manifest may have been written in part
    _not_before: dict[str, float] = field(factory=dict, init=False)  # s, when a file may be copied again

    def update(self, files: Mapping[str, Stamp]) -> Remaining:
        """Copy some of what is missing or different, and return what is left. `files` are all of the event folder."""
        known, self._token = self._token, None  # after an error: when it is back, others may have written to it
        try:
            with opened_folder(self.root, self.root) as root:
                token = self._check(root)
                left = self._update(root, files, is_known=token == known)
        except FolderInUse as error:
            raise CopyRefused(str(error)) from None
        except OSError as error:
            self.place = None
            if error.errno in FULL:
                self._batch_files = 1
            raise CopyAway(self._words(error)) from error
        self._token = token
        return left

    def _words(self, error: OSError) -> str:
        """Return what to tell of an error; the path of the copy is told anyway."""
        if error.errno in FULL:
            return "its disk is full: make room on it"
        if error.errno == errno.EROFS:
            return "its disk is read-only or broken"
        if str(error.filename) == str(self.root):
            is_missing = isinstance(error, FileNotFoundError)
            return "the folder is not there (is its disk plugged in?)" if is_missing else str(error.strerror)
        where = f" ({error.filename})" if isinstance(error.filename, str) else ""
        return f"{error.strerror or error}{where}"

    def has(self, path: str, sha256: str) -> bool:
        """Whether the copy has a track with these bytes, on a second disk. Does not block."""
        entry = self.manifest.entries.get(path)
        return entry is not None and sha256 in ("", entry.sha256) and self.beside != EVENT_FOLDER

    def hurry(self) -> None:
        """Let nothing wait for its turn any more."""
        self._not_before.clear()

    def _update(self, root: int, files: Mapping[str, Stamp], *, is_known: bool) -> Remaining:
        is_known = is_known and self._seconds() < self._compare_at
        due = self._due(files) if is_known else []
        if is_known and not (due or self._unsaved or self._has_gone(files)):
            return self._remaining(files, due)
        with locked(self.root, root):
            if not is_known:
                self._read(root)
                due = self._due(files)
            self._copy(root, files, due)
        return self._remaining(files, self._due(files))

    def _copy(self, root: int, files: Mapping[str, Stamp], due: list[str]) -> None:
        batch = Batch(Tree(root), self._source, files, self.manifest, self._utc, self._turn)
        chosen, began = self._chosen(files, due), self._seconds()
        try:
            batch.copy(chosen)
        finally:
            self._unsaved += batch.lines
        now = self._seconds()
        for path in chosen:
            self.failures.pop(path, None)
            if kind_of(path) in (Kind.STATE, Kind.LOG):
                least = LOG_INTERVAL if kind_of(path) is Kind.LOG else 0.0
                self._not_before[path] = now + max(least, SHARE * (now - began))
        self.failures |= batch.failures
        self._not_before |= dict.fromkeys(batch.failures, now + PATIENCE)
        for find, act in ((self._removed, Batch.remove), (self._taken_away, Batch.set_aside)):
            if paths := list(find(files)):
                batch = Batch(Tree(root), self._source, files, self.manifest, self._utc, self._turn)
                try:
                    act(batch, paths)
                finally:
                    self._unsaved += batch.lines
        self._save(root)
        self._batch_files = min(2 * self._batch_files, BATCH_FILES)

    def _has_gone(self, files: Mapping[str, Stamp]) -> bool:
        """Whether something is to be taken from its path because the event folder does not have it any more."""
        return any(next(find(files), None) is not None for find in (self._removed, self._taken_away))

    def _removed(self, files: Mapping[str, Stamp]) -> Iterator[str]:
        """Yield the files that say something by being there, and are not in the event folder any more."""
        if PAUSED in self.manifest.entries and PAUSED not in files:
            yield PAUSED
        own = f"{STARTS}/{self._lineage.own}.json"
        if own in files and own in self.manifest.entries:
            yield from (path for path in self._spent if path not in files)

    def _taken_away(self, files: Mapping[str, Stamp]) -> Iterator[str]:
        """Yield the tracks that the event folder has no more, and that the copy keeps as they were handed in."""
        entries = self.manifest.entries
        kept = {entry.sha256 for path, entry in entries.items() if path.startswith(KEPT)}
        if kept:
            yield from (e.path for e in self.manifest.tracks() if e.path not in files and e.sha256 in kept)

    def _due(self, files: Mapping[str, Stamp]) -> list[str]:
        """Return the files to be copied now."""
        now, entries, not_before = self._seconds(), self.manifest.entries, self._not_before
        different = (path for path, stamp in files.items() if _differs(entries.get(path), stamp))
        return [path for path in different if not_before.get(path, 0.0) <= now]

    def _chosen(self, files: Mapping[str, Stamp], due: list[str]) -> list[str]:
        """Return what is copied in one batch: some tracks, and what tells of them; logs if nothing else is left."""

        def turn(path: str) -> tuple[int, bool, Stamp]:
            return kind_of(path) or 0, not path.startswith(SUPERSEDED), files[path]

        due = sorted(due, key=turn)
        tracks = [path for path in due if kind_of(path) is Kind.TRACK]
        logs = [path for path in due if kind_of(path) is Kind.LOG]
        others = [path for path in due if kind_of(path) not in (Kind.TRACK, Kind.LOG)]
        chosen = [*_first_of(tracks[: self._batch_files], files), *_first_of(others[: self._batch_files], files)]
        if len(chosen) == len(due) - len(logs):
            chosen += logs
        return sorted(chosen, key=turn)

    def _remaining(self, files: Mapping[str, Stamp], due: list[str]) -> Remaining:
        lacking = [path for path in due if is_lasting(path)]
        self.failures = {path: why for path, why in self.failures.items() if path in files}
        lacking += self.failures
        tracks = sum(1 for _ in self.manifest.tracks())
        return Remaining(len(lacking), sum(files[path][1] for path in lacking), tracks, not due)

    def _check(self, root: int) -> tuple[int, int, str]:
        """Return what identifies the folder; raises CopyAway or CopyRefused."""
        status = os.fstat(root)
        event = self._source.folder
        here = event.root.stat()
        links = (event.root / top for top in FOLDERS)
        for folder in (event.root, *(path for path in links if path.is_symlink())):
            if problem := nesting(folder.resolve(), self.root.resolve()):
                raise CopyRefused(problem)
        if os.path.samestat(here, status):
            raise CopyRefused(nesting(event.root, event.root))
        self.place = status.st_dev, status.st_ino
        self.beside = EVENT_FOLDER if is_same_disk(here, status) else ""
        self._look_beside(self.place)
        identity = self._identity(root, event)
        starts = start_names(self.root / STARTS)
        if strangers := self._lineage.strangers(starts):
            raise CopyRefused(self._fork(strangers))
        self._check_that_it_is_there(root)
        self._spent = tuple(f"{STARTS}/{name}.json" for name in starts if name != self._lineage.own)
        return status.st_dev, status.st_ino, identity.copy

    def _check_that_it_is_there(self, root: int) -> None:
        """Raise CopyAway if what was read at the path is not of the open folder: that goes on after a lazy unmount."""
        if not os.path.samestat(self.root.stat(), os.fstat(root)):
            raise CopyAway("its disk was taken away")

    def _look_beside(self, place: tuple[int, int]) -> None:
        """Note whether a copy before is on the same disk; raises CopyRefused if it is the same folder."""
        for other in self._before():
            if other.place == place:
                raise CopyRefused(f"it is the same folder as copy {other.root}: name another one")
            if other.place and other.place[0] == place[0]:
                self.beside = self.beside or f"copy {other.root}"

    def _identity(self, root: int, event: EventFolder) -> Identity:
        """Return the identity of the folder, which gets one if it is empty."""
        own = event.event_id()
        if not own:
            raise CopyAway(f"the event folder cannot be read ({event.state})")
        return read_identity(self.root, own) or self._new_identity(root, event, own)

    def _new_identity(self, root: int, event: EventFolder, event_id: str) -> Identity:
        """Make the folder a copy, and note in the event folder that there is one at this path."""
        note = event.state / "copies" / f"{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:32]}.json"
        if note.exists() and not is_begun(self.root):
            raise CopyAway("the folder at its path is no copy: is its disk plugged in? A new copy needs another path")
        check_empty(self.root)
        self._check_that_it_is_there(root)
        with suppress(FileExistsError):
            os.mkdir(STATE, 0o700, dir_fd=root)  # first of all: a kill must not make this folder an unknown one
            sync_open(root)
        write_private(note, msgspec.json.encode(str(self.root)) + b"\n")
        identity = Identity(event_id, secrets.token_hex(16))
        self._replace(root, IDENTITY, msgspec.json.encode(identity) + b"\n")
        return identity

    def _fork(self, strangers: set[str]) -> str:
        starts = [start for start in read_starts(self.root / STARTS) if start.id in strangers]
        hosts = one_line(", ".join(sorted({start.host for start in starts if start.host})))
        return f"another collector has gone on with it{f' on {hosts}' if hosts else ''}"

    def _read(self, root: int) -> None:
        """Read the manifest of a copy, and believe it where the files still have its lengths and times."""
        found = {}
        for path, status in walk(self.root, follow=False):
            self._turn()
            found[path] = (status.st_mtime_ns, status.st_size)
        for path in filter(is_leftover, found):
            (self.root / path).unlink(missing_ok=True)
        data = b""
        with suppress(FileNotFoundError, UnusableFile):
            data = read_bounded(self.root / MANIFEST, MAX_SIZE)
        self._check_that_it_is_there(root)
        manifest = Manifest.parse(data)
        for path, entry in list(manifest.entries.items()):
            mtime_ns, size = found.get(path, (0, -1))
            if size != entry.size or abs(mtime_ns - entry.mtime_ns) >= COARSE:
                del manifest.entries[path]
        self.manifest, self._unsaved = manifest, bytearray()
        self._not_before.clear()
        self.failures.clear()
        self._compare_at = self._seconds() + COMPARE_INTERVAL
        if manifest.is_wordy or not data.endswith(b"\n"):
            self._replace(root, MANIFEST, manifest.written_anew())

    def _save(self, root: int) -> None:
        """Write to the manifest what is not in it yet."""
        is_torn, self._is_torn = self._is_torn, True
        if is_torn or self.manifest.is_wordy:
            self._replace(root, MANIFEST, self.manifest.written_anew())
        elif self._unsaved:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(MANIFEST, flags, 0o600, dir_fd=root), "ab") as file:
                file.write(self._unsaved)
                file.flush()
                os.fsync(file.fileno())
        self._unsaved, self._is_torn = bytearray(), False

    def _replace(self, root: int, path: str, data: bytes) -> None:
        folder, _, name = path.rpartition("/")
        place = os.open(folder, FOLDER_FLAGS, dir_fd=root)
        try:
            with renamed_at_end(name, place, 0o600) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            sync_open(place)
        finally:
            os.close(place)


def _differs(entry: Entry | None, stamp: Stamp) -> bool:
    return entry is None or (entry.mtime_ns, entry.size) != stamp


def _first_of(paths: list[str], files: Mapping[str, Stamp]) -> Iterator[str]:
    """Yield the first paths that are not too large for one batch, at least one of them."""
    size = 0
    for number, path in enumerate(paths):
        size += files[path][1]
        if number and size > BATCH_SIZE:
            break
        yield path
