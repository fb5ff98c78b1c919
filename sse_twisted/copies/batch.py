"""Write some files to a copy together: hidden names, one sync, read back and compared, then their final names.

If the process is killed in between, the copy has the old file or the new one, and the next run finds it by its bytes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import BinaryIO

from attrs import define, field
from msgspec import Struct, structs

from sse_twisted.copies.manifest import Entry, Manifest
from sse_twisted.copies.source import STATE, SUPERSEDED, Kind, Source, kind_of
from sse_twisted.copies.tree import Tree
from sse_twisted.event_folder.files import BLOCK_SIZE
from sse_twisted.event_folder.folder import Stamp
from sse_twisted.runtime.bounded_file import open_regular
from sse_twisted.runtime.disk import OF_THE_DISK
from sse_twisted.runtime.file_sync import UNSUPPORTED, FileSync
from sse_twisted.runtime.text import encodable

PREVIOUS = f"{STATE}/previous"  # of a copy: the last version of each file that was replaced
MAX_NAME = 200  # bytes of a name in that of its hidden file
LOST = OF_THE_DISK | {errno.ENOTCONN}  # errors of a disk that is full, broken or gone
OF_THE_NAME = {errno.EINVAL, errno.ENOENT, errno.EILSEQ, errno.ENAMETOOLONG}
OF_THE_PLACE = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR}


class BadCopy(OSError):
    """The disk of a copy does not return what was written to it."""


class Uncopied(OSError):
    """A single file cannot be copied, and the disk of the copy is not to blame."""


class _Written(Struct, frozen=True):
    """A file under its hidden name; its entry has no digest until all of it is written."""

    entry: Entry
    hidden: str  # path
    file: int  # handle


@define(eq=False)
class Batch:
    """One batch into a copy. Methods block; errors of the copy's disk are raised as OSError.

    `turn` is called before each block, and may raise an error to stop. `failures` are the reasons why single files
    could not be copied, by path.
    """

    _tree: Tree
    _source: Source
    _files: Mapping[str, Stamp]  # all of the source
    _manifest: Manifest
    _now: Callable[[], float]
    _turn: Callable[[], None]
    lines: bytearray = field(factory=bytearray, init=False)  # of the manifest
    failures: dict[str, str] = field(factory=dict, init=False)
    _written: list[_Written] = field(factory=list, init=False)
    _movable: dict[Stamp, list[Entry]] | None = field(default=None, init=False)

    def copy(self, paths: Iterable[str]) -> None:
        """Copy files, and note them in the manifest and in `lines`."""
        with self._tree.opened():
            try:
                for path in paths:
                    with _Noting(self.failures, path):
                        self._begin(path)
                whole = [each for each in self._written if each.entry.sha256]
                self._sync([each.file for each in whole])
                for each in whole:
                    self._compare(each)
                for each in whole:
                    self._turn()
                    with _Noting(self.failures, each.entry.path):
                        self._give_name(each)
                        self._written.remove(each)
                self._sync(self._tree.touched)
            finally:
                for each in self._written:
                    with suppress(OSError):
                        self._tree.remove(each.hidden)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files that say something only by being there."""
        with self._tree.opened():
            for path in paths:
                self._tree.remove(path)
                self._note(Entry(path, 0, 0, "", self._now()))
            self._sync(self._tree.touched)

    def set_aside(self, paths: Iterable[str]) -> None:
        """Move tracks to where superseded ones are."""
        with self._tree.opened():
            for path in paths:
                self._set_aside(path)
            self._sync(self._tree.touched)

    def _begin(self, path: str) -> None:
        """Write a file under a hidden name, unless the copy has its bytes already."""
        self._turn()
        if encodable(path) != path:
            raise Uncopied(errno.EILSEQ, "its name is not UTF-8: rename it")
        try:
            source = open_regular(self._source.file(path))
        except FileNotFoundError:  # it was moved since; the next look finds it
            return
        except OSError as error:
            raise _unreadable(error) from error
        with source:
            self._settle_name(path)
            status, kind = os.fstat(source.fileno()), kind_of(path)
            stamp = (status.st_mtime_ns, status.st_size)
            if kind is not Kind.LOG and self._is_there(path, stamp, source):
                return
            folder, _, name = path.rpartition("/")
            beginning = name.encode()[:MAX_NAME].decode(errors="ignore")
            hidden = f"{folder}/.{beginning}.{secrets.token_hex(4)}.tmp"
            file = self._tree.create(hidden, stat.S_IMODE(status.st_mode) & 0o666 | 0o600)
            entry = Entry(path, stamp[1], stamp[0], "", self._now())
            self._written.append(_Written(entry, hidden, file))
            digest, length = self._pour(source, file, status.st_size)
            after = os.fstat(source.fileno())
            has_changed = kind is not Kind.LOG and (after.st_mtime_ns, after.st_size) != stamp
        if not has_changed and length == stamp[1] and not self._contradicts(path, digest):
            with suppress(OSError):
                os.utime(file, ns=(stamp[0], stamp[0]))
            self._written[-1] = _Written(structs.replace(entry, sha256=digest), hidden, file)

    def _pour(self, source: BinaryIO, file: int, size: int) -> tuple[str, int]:
        digest, length = hashlib.sha256(), 0
        for block in self._source_blocks(source, size):
            digest.update(block)
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(file, rest) :]
            length += len(block)
        return digest.hexdigest(), length

    def _settle_name(self, path: str) -> None:
        """Let no file be taken for another one whose name differs by case, as on exFAT; raises Uncopied."""
        folder, _, name = path.rpartition("/")
        if path in self._manifest.entries or not (real := self._tree.real_name(path)) or real == name:
            return
        other = f"{folder}/{real}"
        if other in self._files:
            raise Uncopied(errno.EEXIST, f"its disk takes {real} for the same name: rename one of them")
        if entry := self._manifest.entries.get(other):
            self._move(entry, path)
        else:
            self._tree.move(other, path)

    def _contradicts(self, path: str, digest: str) -> bool:
        """Whether the copy has the verified bytes of a track, and the event folder has others by now."""
        entry = self._manifest.entries.get(path)
        if entry is None or kind_of(path) is not Kind.TRACK or entry.sha256 == digest:
            return False
        if self._source.recorded(path) != entry.sha256:
            return False
        self.failures[path] = "it is not the file of the ledger any more; the copy keeps the verified bytes"
        return True

    def _compare(self, written: _Written) -> None:
        """Read a file from its disk, not from memory; raises BadCopy."""
        with suppress(OSError, AttributeError):  # not all systems have it
            os.posix_fadvise(written.file, 0, 0, os.POSIX_FADV_DONTNEED)
        if self._digest_at(written.hidden) != written.entry.sha256:
            raise BadCopy(errno.EIO, "its disk does not return what was written: replace it", written.entry.path)

    def _give_name(self, written: _Written) -> None:
        path = written.entry.path
        if self._tree.size(path) is not None:
            match kind_of(path):
                case Kind.TRACK:
                    self._set_aside(path)
                case Kind.RECORD:
                    self._keep_last(path)
        self._tree.move(written.hidden, path)
        self._note(written.entry)

    def _is_there(self, path: str, stamp: Stamp, source: BinaryIO) -> bool:
        """Whether the copy has the bytes: at this path, or at a former path of the track, which is then moved."""
        entry, size = self._manifest.entries.get(path), self._tree.size(path)
        former = self._former(path, stamp)
        if size != stamp[1] and not former:
            return False
        digest = _digest(self._source_blocks(source, stamp[1] + 1))
        source.seek(0)
        if size == stamp[1] and digest == (entry.sha256 if entry else self._digest_at(path)):
            self._tree.set_time(path, stamp[0])
            self._note(Entry(path, stamp[1], stamp[0], digest, self._now(), entry.was if entry else ""))
            return True
        for other in former:
            if other.sha256 == digest and self._digest_at(other.path) == digest:
                if size is not None:
                    self._set_aside(path)
                self._move(other, path)
                return True
        return False

    def _former(self, path: str, stamp: Stamp) -> list[Entry]:
        """Return tracks of the copy with this stamp that are not at their paths in the source any more."""
        if kind_of(path) is not Kind.TRACK:
            return []
        if self._movable is None:
            movable = defaultdict(list)
            for entry in self._manifest.entries.values():
                if kind_of(entry.path) is Kind.TRACK and self._files.get(entry.path) != entry.stamp:
                    movable[entry.stamp].append(entry)
            self._movable = movable
        return [entry for entry in self._movable.get(stamp, ()) if entry.path in self._manifest.entries]

    def _move(self, entry: Entry, path: str, *, aside: bool = False) -> Entry:
        self._tree.move(entry.path, path)
        moved = Entry(path, entry.size, entry.mtime_ns, entry.sha256, self._now(), entry.path, aside)
        self._note(moved)
        return moved

    def _set_aside(self, path: str) -> None:
        """Keep other bytes at the path of a track, as the collector keeps what a track replaces."""
        folder, _, name = path.rpartition("/")
        kept = f"{SUPERSEDED}{PurePosixPath(folder).name}/{name}"
        number = 1
        while self._tree.size(f"{kept}.{number}") is not None:
            number += 1
        entry = self._manifest.entries.get(path)
        if entry is None:
            entry = Entry(path, self._tree.size(path) or 0, 0, self._digest_at(path), self._now())
        moved = self._move(entry, f"{kept}.{number}", aside=True)
        if self._movable is not None:
            self._movable.setdefault(moved.stamp, []).append(moved)

    def _keep_last(self, path: str) -> None:
        """Keep the last version of a file that is replaced. It need not survive a power cut."""
        kept = f"{PREVIOUS}/{path}"
        self._tree.remove(kept)
        try:
            self._tree.link(path, kept)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            with self._tree.open(path) as source, open(self._tree.create(kept, 0o600), "wb", closefd=False) as target:
                shutil.copyfileobj(source, target)

    def _digest_at(self, path: str) -> str:
        """Return the SHA-256 of a file of the copy, "" without one."""
        try:
            file = self._tree.open(path)
        except FileNotFoundError:
            return ""
        with file:
            return _digest(self._blocks(file, sys.maxsize))

    def _blocks(self, file: BinaryIO, size: int) -> Iterator[bytes]:
        """Yield the first bytes of a file."""
        while block := file.read(min(BLOCK_SIZE, size)):
            self._turn()
            yield block
            size -= len(block)

    def _source_blocks(self, file: BinaryIO, size: int) -> Iterator[bytes]:
        """Yield the first bytes of a file of the event folder; raises Uncopied if its disk is broken."""
        try:
            yield from self._blocks(file, size)
        except OSError as error:
            raise _unreadable(error) from error

    def _note(self, entry: Entry) -> None:
        self.lines += self._manifest.add(entry)

    def _sync(self, handles: Iterable[int]) -> None:
        self._turn()
        for error in FileSync().sync(handles).values():
            raise error


def _digest(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def _unreadable(error: OSError) -> Uncopied:
    return Uncopied(error.errno, f"it cannot be read: {error.strerror}")


class _Noting(Struct, frozen=True):
    """Notes an error that concerns one path alone, such as a name that a file system cannot have."""

    failures: dict[str, str]
    path: str

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if isinstance(error, BadCopy) or not isinstance(error, OSError):
            return False
        if error.errno in LOST and not isinstance(error, Uncopied):
            return False
        self.failures[self.path] = _words(error)
        return True


def _words(error: OSError) -> str:
    """Return why a file cannot be copied."""
    why = error.strerror or str(error)
    if isinstance(error, Uncopied):
        return why
    if error.errno in OF_THE_NAME:
        return f"its disk cannot have this name ({why})"
    return f"something else is in its place in the copy: remove it ({why})" if error.errno in OF_THE_PLACE else why
