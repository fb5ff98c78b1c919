"""Write some files to a copy together: hidden names, one sync, read back and compared, then their final names.

Everything is relative to an open folder, so that nothing is written at the path of a disk that was taken away. If the
process is killed in between, the copy has the old file or the new one, and the next run finds it by its bytes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import PurePosixPath
from typing import BinaryIO

from attrs import define, field, frozen
from msgspec import structs

from sse_twisted.copies.manifest import Entry, Manifest
from sse_twisted.copies.source import STATE, SUPERSEDED, Kind, Source, kind_of
from sse_twisted.event_folder.files import BLOCK_SIZE
from sse_twisted.event_folder.folder import Stamp
from sse_twisted.runtime.bounded_file import open_regular
from sse_twisted.runtime.disk import OF_THE_DISK
from sse_twisted.runtime.file_sync import UNSUPPORTED, FileSync, sync_open

PREVIOUS = f"{STATE}/previous"  # of a copy: the last version of each file that was replaced
MAX_NAME = 200  # characters of a name in that of its hidden file
LOST = OF_THE_DISK | {errno.ENOTCONN}  # errors of a disk that is full, broken or gone
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class BadCopy(OSError):
    """The disk of a copy does not return what was written to it."""


@frozen
class _Written:
    """A file under its hidden name; its entry has no digest until all of it is written."""

    path: str
    hidden: str
    place: int  # handle of its folder
    file: int  # handle
    entry: Entry


@define(eq=False)
class Batch:
    """One batch into the folder that is open as `root`. Methods block; those of the copy's disk raise OSError.

    `turn` is called before each block, and may raise an error to stop. `failures` are the reasons why single files
    could not be copied, by path.
    """

    _root: int
    _source: Source
    _files: Mapping[str, Stamp]  # all of the source
    _manifest: Manifest
    _now: Callable[[], float]
    _turn: Callable[[], None]
    lines: bytearray = field(factory=bytearray, init=False)  # of the manifest
    failures: dict[str, str] = field(factory=dict, init=False)
    _stack: ExitStack = field(factory=ExitStack, init=False)
    _folders: dict[str, int] = field(factory=dict, init=False)
    _touched: set[int] = field(factory=set, init=False)  # handles of folders to be synced
    _written: list[_Written] = field(factory=list, init=False)
    _movable: dict[Stamp, list[Entry]] | None = field(default=None, init=False)

    def copy(self, paths: Iterable[str]) -> None:
        """Copy files, and note them in the manifest and in `lines`."""
        with self._stack:
            try:
                for path in paths:
                    with _Noting(self.failures, path):
                        self._begin(path)
                whole = [each for each in self._written if each.entry.sha256]
                self._sync([each.file for each in whole])
                for each in whole:
                    self._compare(each)
                for each in whole:
                    with _Noting(self.failures, each.path):
                        self._give_name(each)
                        self._written.remove(each)
                self._sync(self._touched)
            finally:
                for each in self._written:
                    with suppress(OSError):
                        os.unlink(each.hidden, dir_fd=each.place)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files that say something only by being there."""
        with self._stack:
            for path in paths:
                folder, name = _parts(path)
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self._folder(folder))
                    self._touched.add(self._folder(folder))
                self._note(Entry(path, 0, 0, "", self._now()))
            self._sync(self._touched)

    def _begin(self, path: str) -> None:
        """Write a file under a hidden name, unless the copy has its bytes already."""
        try:
            source = open_regular(self._source.file(path))
        except FileNotFoundError:  # it was moved since; the next look finds it
            return
        with source:
            status, kind = os.fstat(source.fileno()), kind_of(path)
            stamp = (status.st_mtime_ns, status.st_size)
            if kind is not Kind.LOG and self._is_there(path, stamp, source):
                return
            folder, name = _parts(path)
            place, hidden = self._folder(folder), f".{name[:MAX_NAME]}.{secrets.token_hex(4)}.tmp"
            file = os.open(hidden, NEW_FILE, stat.S_IMODE(status.st_mode) & 0o666 | 0o600, dir_fd=place)
            self._stack.callback(os.close, file)
            entry = Entry(path, stamp[1], stamp[0], "", self._now())
            self._written.append(_Written(path, hidden, place, file, entry))
            digest, length = self._pour(source, file, status.st_size)
            after = os.fstat(source.fileno())
            has_changed = kind is not Kind.LOG and (after.st_mtime_ns, after.st_size) != stamp
        if not has_changed and length == stamp[1] and not self._contradicts(path, digest):
            _set_time(file, stamp[0])
            self._written[-1] = _Written(path, hidden, place, file, structs.replace(entry, sha256=digest))

    def _pour(self, source: BinaryIO, file: int, size: int) -> tuple[str, int]:
        digest, length = hashlib.sha256(), 0
        while length < size and (block := source.read(min(BLOCK_SIZE, size - length))):
            self._turn()
            digest.update(block)
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(file, rest) :]
            length += len(block)
        return digest.hexdigest(), length

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
        reader = os.open(written.hidden, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=written.place)
        with os.fdopen(reader, "rb") as file:
            digest = self._digest(file)
        if digest != written.entry.sha256:
            raise BadCopy(errno.EIO, "its disk does not return what was written: replace it", written.path)

    def _give_name(self, written: _Written) -> None:
        name = _parts(written.path)[1]
        if self._size_at(written.path) is not None:
            match kind_of(written.path):
                case Kind.TRACK:
                    self._set_aside(written.path)
                case Kind.RECORD:
                    self._keep_last(written.path)
        os.rename(written.hidden, name, src_dir_fd=written.place, dst_dir_fd=written.place)
        self._touched.add(written.place)
        self._note(written.entry)

    def _is_there(self, path: str, stamp: Stamp, source: BinaryIO) -> bool:
        """Whether the copy has the bytes: at this path, or at a former path of the track, which is then moved."""
        entry, size = self._manifest.entries.get(path), self._size_at(path)
        former = self._former(path, stamp)
        if size != stamp[1] and not former:
            return False
        digest = self._digest(source)
        source.seek(0)
        if size == stamp[1] and digest == (entry.sha256 if entry else self._digest_at(path)):
            with suppress(OSError):
                self._set_time_at(path, stamp[0])
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

    def _move(self, entry: Entry, path: str, *, aside: bool = False) -> None:
        (old_folder, old), (new_folder, new) = _parts(entry.path), _parts(path)
        source, target = self._folder(old_folder), self._folder(new_folder)
        os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)
        self._touched |= {source, target}
        self._note(Entry(path, entry.size, entry.mtime_ns, entry.sha256, self._now(), entry.path, aside))

    def _set_aside(self, path: str) -> None:
        """Keep other bytes at the path of a track, as the collector keeps what a track replaces."""
        folder, name = _parts(path)
        kept = f"{SUPERSEDED}{PurePosixPath(folder).name}/{name}"
        number = 1
        while self._size_at(f"{kept}.{number}") is not None:
            number += 1
        entry = self._manifest.entries.get(path)
        if entry is None:
            size = self._size_at(path) or 0
            entry = Entry(path, size, 0, self._digest_at(path), self._now())
        self._move(entry, f"{kept}.{number}", aside=True)
        if self._movable is not None:
            moved = self._manifest.entries[f"{kept}.{number}"]
            self._movable.setdefault(moved.stamp, []).append(moved)

    def _keep_last(self, path: str) -> None:
        """Keep the last version of a file that is replaced. A copy of it need not survive a power cut."""
        folder, name = _parts(path)
        place, kept = self._folder(folder), self._folder(f"{PREVIOUS}/{folder}")
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=kept)
        try:
            os.link(name, name, src_dir_fd=place, dst_dir_fd=kept, follow_symlinks=False)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            with (
                os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=place), "rb") as source,
                os.fdopen(os.open(name, NEW_FILE, 0o600, dir_fd=kept), "wb") as target,
            ):
                shutil.copyfileobj(source, target)

    def _folder(self, folder: str) -> int:
        """Return a handle of a folder of the copy, made if missing. Links are not followed."""
        if folder not in self._folders:
            above, name = (self._root, folder) if "/" not in folder else _opened(self._folder, folder)
            try:
                handle = os.open(name, FOLDER_FLAGS, dir_fd=above)
            except FileNotFoundError:
                os.mkdir(name, 0o700 if folder == STATE else 0o777, dir_fd=above)
                sync_open(above)
                handle = os.open(name, FOLDER_FLAGS, dir_fd=above)
            self._stack.callback(os.close, handle)
            self._folders[folder] = handle
        return self._folders[folder]

    def _size_at(self, path: str) -> int | None:
        """Return the bytes of a file of the copy, None without one."""
        folder, name = _parts(path)
        with suppress(FileNotFoundError):
            return os.stat(name, dir_fd=self._folder(folder), follow_symlinks=False).st_size
        return None

    def _digest_at(self, path: str) -> str:
        """Return the SHA-256 of a file of the copy, "" without one."""
        folder, name = _parts(path)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            file = os.fdopen(os.open(name, flags, dir_fd=self._folder(folder)), "rb")
        except FileNotFoundError:
            return ""
        with file:
            return self._digest(file)

    def _set_time_at(self, path: str, mtime_ns: int) -> None:
        folder, name = _parts(path)
        os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=self._folder(folder), follow_symlinks=False)

    def _digest(self, file: BinaryIO) -> str:
        digest = hashlib.sha256()
        while block := file.read(BLOCK_SIZE):
            self._turn()
            digest.update(block)
        return digest.hexdigest()

    def _note(self, entry: Entry) -> None:
        self.lines += self._manifest.add(entry)

    def _sync(self, handles: Iterable[int]) -> None:
        self._turn()
        for error in FileSync().sync(handles).values():
            raise error


@frozen
class _Noting:
    """Notes an error that concerns one path alone, such as a name that a file system cannot have."""

    failures: dict[str, str]
    path: str

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, OSError) or isinstance(error, BadCopy) or error.errno in LOST:
            return False
        self.failures[self.path] = error.strerror or str(error)
        return True


def _opened(handle_of: Callable[[str], int], folder: str) -> tuple[int, str]:
    above, _, name = folder.rpartition("/")
    return handle_of(above), name


def _parts(path: str) -> tuple[str, str]:
    """Return the folder and the name of a path; each file of a copy is in a folder."""
    folder, _, name = path.rpartition("/")
    return folder, name


def _set_time(file: int, mtime_ns: int) -> None:
    with suppress(OSError):
        os.utime(file, ns=(mtime_ns, mtime_ns))
