"""A track on its way to disk: hidden, verified while it arrives, and at its final name only when it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

from sse_twisted.event_folder.files import BLOCK, keep_copy, make_folder, same_content, sync_folder
from sse_twisted.event_folder.naming import EventTrack
from sse_twisted.event_folder.verification import is_header_of
from sse_twisted.tracks.oao.decoding import HEADER_SIZE, decode_header
from sse_twisted.tracks.oao.integrity import Integrity, Verifier

OVERLAP = 4096  # bytes that a resumed transfer repeats, to be compared with those we have
SUPERSEDED = "gpslogs/superseded"


class OtherBytes(Exception):
    """A resumed transfer did not repeat the bytes that we have: the log has changed, or the device can't resume."""


@frozen
class Received:
    """All bytes of one transfer, examined and on disk."""

    integrity: Integrity
    sha256: str


class _Examination:
    """Verifier and digest of the same bytes."""

    def __init__(self) -> None:
        self.verifier = Verifier()
        self.digest = hashlib.sha256()

    def feed(self, data: bytes) -> None:
        self.verifier.feed(data)
        self.digest.update(data)

    def finish(self) -> Received:
        return Received(self.verifier.finish(), self.digest.hexdigest())


class PartialTrack:
    """The hidden file of one track at one size. Every method blocks and may raise OSError."""

    def __init__(self, root: Path, track: EventTrack) -> None:
        self._track = track
        self._final = root / track.local_file
        self._superseded = root / SUPERSEDED / Path(track.folder).name
        self.path = partial_path(self._final, track.log.size)
        self._file: BinaryIO | None = None
        self._examination = _Examination()
        self._overlap = b""

    def open(self) -> int:
        """Open what an earlier transfer left; gives the byte to ask the device from, 0 if nothing usable is there."""
        make_folder(self.path.parent)
        self._file = self.path.open("ab+")
        whole_to = _verified_to(self._file)
        if whole_to <= OVERLAP or not self._is_of_this_log():
            return 0
        self._file.truncate(whole_to)
        self._file.seek(0)
        while block := self._file.read(BLOCK):
            self._examination.feed(block)
        self._file.seek(whole_to - OVERLAP)
        self._overlap = self._file.read()
        return whole_to - OVERLAP

    def _is_of_this_log(self) -> bool:
        """Whether the header is the one that the listing announces: a name and a size say it only roughly."""
        self._open_file.seek(0)
        header = decode_header(self._open_file.read(HEADER_SIZE))
        return is_header_of(self._track.log, self._track.identifier, header)

    def start_over(self) -> None:
        """Forget what was there: the device sends from the first byte."""
        self._open_file.truncate(0)
        self._examination = _Examination()
        self._overlap = b""

    def write(self, data: bytes) -> None:
        """Append bytes as they come; raises OtherBytes if a resumed transfer repeats others than we have."""
        if self._overlap:
            repeated = data[: len(self._overlap)]
            if not self._overlap.startswith(repeated):
                raise OtherBytes("other bytes than before where it was resumed")
            self._overlap = self._overlap[len(repeated) :]
            data = data[len(repeated) :]
        self._open_file.write(data)
        self._examination.feed(data)

    def finish(self) -> Received:
        """Bring all bytes to the disk and say what they are."""
        if self._overlap:
            raise OtherBytes("fewer bytes than before")
        self._open_file.flush()
        os.fsync(self._open_file.fileno())
        return self._examination.finish()

    def commit(self) -> Path | None:
        """Give the bytes their final name; a different file that had it is kept, and its new path given."""
        self.close()
        kept = None
        if self._final.exists() and not same_content(self._final, self.path):
            kept = keep_copy(self._final, self._superseded)
        self.path.rename(self._final)
        for other in self.path.parent.glob(f".{self._final.name}.*.part"):
            other.unlink(missing_ok=True)
        sync_folder(self._final.parent)
        return kept

    def discard(self) -> None:
        """Remove what can't be gone on with."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the bytes for a later transfer to resume; no bytes leave no file."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what can't be flushed to a full disk will be sent again
                self._file.close()
            self._file = None
            with contextlib.suppress(OSError):
                if not self.path.stat().st_size:
                    self.path.unlink()

    @property
    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise OSError(f"{self.path} is closed")
        return self._file


def partial_path(final: Path, size: int) -> Path:
    """Where the bytes of a track listed with `size` gather: in the final folder, where a rename moves no bytes."""
    return final.parent / f".{final.name}.{size}.part"


def examine(path: Path) -> Received:
    """What a file that is already there holds; blocks, raises OSError."""
    examination = _Examination()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            examination.feed(block)
    return examination.finish()


def _verified_to(file: BinaryIO) -> int:
    verifier = Verifier()
    file.seek(0)
    while block := file.read(BLOCK):
        verifier.feed(block)
    return verifier.verified_to
