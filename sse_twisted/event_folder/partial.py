"""A partial track: hidden, verified while it arrives, renamed to its final name only when it is whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from sse_twisted.event_folder.files import BLOCK_SIZE, add_folder, keep_copy, opened_folder, same_content
from sse_twisted.event_folder.naming import EventTrack
from sse_twisted.event_folder.partial_files import PartialFiles, partial_path
from sse_twisted.event_folder.track_file import Mark, mark_of
from sse_twisted.event_folder.verification import is_header_of
from sse_twisted.runtime.bounded_file import open_regular
from sse_twisted.runtime.group_sync import Steps
from sse_twisted.tracks.format import Buffer, Integrity
from sse_twisted.tracks.formats import FileVerifier

OVERLAP = 4096  # bytes that a resumed transfer repeats; they are compared with those on disk
SUPERSEDED = "gpslogs/superseded"


class OtherBytes(Exception):
    """A resumed transfer does not match the bytes on disk: the log has changed, or the device cannot resume."""


class Received(Struct, frozen=True):
    """What the bytes of a file are: their integrity and their digest."""

    integrity: Integrity
    sha256: str
    mark: Mark  # of the file, as long as it has that digest


class _Examination:
    """A verifier and a digest of the same bytes; `name` is the file's, and tells its format if its bytes do not."""

    def __init__(self, name: str) -> None:
        self.verifier = FileVerifier(name)
        self.digest = hashlib.sha256()

    def feed(self, data: Buffer) -> None:
        self.verifier.feed(data)
        self.digest.update(data)

    def finish(self, mark: Mark) -> Received:
        return Received(self.verifier.finish(), self.digest.hexdigest(), mark)


class PartialTrack:
    """The hidden file of one track at one size. Its methods block and may raise OSError."""

    def __init__(self, known: PartialFiles, track: EventTrack) -> None:
        root = known.root
        self._known = known
        self._track = track
        self._within = root / "gpslogs"
        self._final = root / track.local_file
        self._superseded = root / SUPERSEDED / Path(track.folder).name
        self.path = partial_path(self._final, track.log.size)
        self._file: BinaryIO | None = None
        self._opened: os.stat_result | None = None
        self._examination = _Examination(track.name)
        self._examined = False  # whether all bytes of the file are examined, or useless
        self._overlap = b""

    def open(self) -> int:
        """Open the file; return the offset from which the device must send, 0 if no earlier bytes are usable."""
        add_folder(self.path.parent, self._within)
        self._remove_others()
        self._known.add(self._final, self.path)
        with opened_folder(self.path.parent, self._within) as folder:
            self._file = _own_file(self.path.name, folder)
        self._opened = os.fstat(self._file.fileno())
        verifier = FileVerifier(self._track.name)
        _feed_all(self._file, verifier)
        if not self._has_beginning(verifier):
            self._examined = True
            return 0
        whole_to = verifier.verified_to
        self._file.truncate(whole_to)
        _feed_all(self._file, self._examination)
        self._examined = True
        self._file.seek(whole_to - OVERLAP)
        self._overlap = self._file.read()
        return whole_to - OVERLAP

    def start_over(self) -> None:
        """Drop all bytes, because the device sends from the first one."""
        self._open_file.truncate(0)
        self._examination = _Examination(self._track.name)
        self._overlap = b""

    def write(self, data: Buffer) -> None:
        """Append bytes. Raises OtherBytes if a resumed transfer does not repeat those on disk."""
        if self._overlap:
            repeated = bytes(data[: len(self._overlap)])
            if not self._overlap.startswith(repeated):
                raise OtherBytes("the resumed transfer repeats different bytes")
            self._overlap = self._overlap[len(repeated) :]
            data = data[len(repeated) :]
        self._open_file.write(data)
        self._examination.feed(data)

    def finish(self) -> Received:
        """Return what was received, which `commit` brings to disk. Raises OtherBytes as `write` does."""
        if self._overlap:
            raise OtherBytes("the resumed transfer ended before the bytes on disk")
        self._open_file.flush()
        return self._examination.finish(mark_of(os.fstat(self._open_file.fileno())))

    @property
    def is_open(self) -> bool:
        """Whether the file is open; it is closed when the track has its final name."""
        return self._file is not None

    @property
    def size(self) -> int:
        """The bytes of an earlier transfer, of which not all may be usable."""
        try:
            return self.path.lstat().st_size
        except OSError:  # `open` says what is wrong
            return 0

    def committing(self) -> Steps[Path | None]:
        """Bring the file to disk and rename it to its final name, in steps.

        The result is the new path of a different file that had that name, else None. Raises OSError if the file is not
        at its path any more, because its folder was moved or its disk unplugged.
        """
        yield (self._open_file.fileno(),)
        kept = None
        if self._final.exists() and not same_content(self._final, self.path):
            kept = keep_copy(self._final, self._superseded)
        # It is renamed where it was written, or not at all.
        with opened_folder(self.path.parent, self._within) as folder:
            if self._opened is None or not os.path.samestat(
                self._opened, os.stat(self.path.name, dir_fd=folder, follow_symlinks=False)
            ):
                raise FileNotFoundError(errno.ENOENT, "another file has taken its place", str(self.path))
            os.rename(self.path.name, self._final.name, src_dir_fd=folder, dst_dir_fd=folder)
            yield (folder,)
        self._known.drop(self._final, self.path)
        self._close_file()
        return kept

    def _remove_others(self) -> None:
        """Remove what is here of the track at other sizes: a device may list a new one at each inspection."""
        for path in self._known.of(self._final):
            if path != self.path:
                self._remove(path)

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._known.drop(self._final, path)

    def discard(self) -> None:
        """Remove bytes that cannot be resumed."""
        self._close_file()
        self._remove(self.path)

    def close(self) -> None:
        """Keep the bytes for a later transfer if it can resume them; otherwise they would only fill the disk."""
        if self._file is not None:
            self._close_file()
            is_useless = self._examined and not self.is_resumable
            with contextlib.suppress(OSError):
                if is_useless or not self.path.stat().st_size:
                    self._remove(self.path)

    def _close_file(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # a disk that hangs is to be waited for here, and not in the close
                os.fstatvfs(self._file.fileno())
            with contextlib.suppress(OSError):  # the disk may be full; unflushed bytes are sent again
                self._file.close()
            self._file = None

    @property
    def is_resumable(self) -> bool:
        """Whether a later transfer can go on after the bytes that are here."""
        return self._has_beginning(self._examination.verifier)

    def _has_beginning(self, verifier: FileVerifier) -> bool:
        """Whether enough is whole, and of this log: another one may have the same name and size."""
        return verifier.verified_to > OVERLAP and is_header_of(self._track.log, self._track.identifier, verifier.header)

    @property
    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise OSError(f"{self.path} is closed")
        return self._file


def _own_file(name: str, folder: int) -> BinaryIO:
    """Open a hidden file for reading and appending. Anything else at its predictable name is removed first."""
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:  # a link to a file of others, or a pipe
            os.unlink(name, dir_fd=folder)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.fdopen(os.open(name, flags, 0o666, dir_fd=folder), "ab+")


def examine(path: Path) -> Received:
    """Verify an existing file. Blocks. Raises OSError."""
    examination = _Examination(path.name)
    with open_regular(path) as file:
        mark = mark_of(os.fstat(file.fileno()))
        _feed_all(file, examination)
    return examination.finish(mark)


def _feed_all(file: BinaryIO, sink: FileVerifier | _Examination) -> None:
    file.seek(0)
    while block := file.read(BLOCK_SIZE):
        sink.feed(block)
