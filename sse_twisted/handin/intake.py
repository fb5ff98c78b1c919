"""Keep a file as it came, on disk and synced, before anything is made of it. Everything here blocks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from attrs import define, field
from msgspec import Struct

from sse_twisted.event_folder.files import add_folder, free_name, opened_folder
from sse_twisted.handin.ledger import KEPT, KEY
from sse_twisted.runtime.text import size

MAX_SIZE: Final = 200_000_000  # bytes of a file
MAX_NAME: Final = 100  # bytes of the name under which it is kept; some file systems allow 143
UNSAFE: Final = re.compile(r'[\\/:*?"<>|]')  # on one system or another


# A serial number or MAC address, as programs of the makers put it into names; but no date with a time.
DATE: Final = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
SERIAL: Final = re.compile(rf"(?<![0-9A-Za-z])(?!{DATE})(?:[0-9A-Fa-f]{{12}}|[0-9]{{9,}})(?![0-9A-Za-z])")


class Unacceptable(ValueError):
    """A file that is not kept; the message says why."""


class Kept(Struct, frozen=True):
    """A file that is on disk as it came."""

    sha256: str
    name: str  # under which it came, without folders and what cannot be printed
    size: int  # bytes
    path: str  # below the event folder


def too_large(count: int | None = None) -> Unacceptable:
    """Return the error for a file that is too large; `count` is its length in bytes, if that is known."""
    what = f"{size(count)}" if count is not None else "more"
    return Unacceptable(f"too large: {what}, the limit is {size(MAX_SIZE)}")


def clean_name(name: str) -> str:
    """Return the last part of a path of any system, of printable characters only."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name.strip()))[-1]
    printable = "".join(c if c.isprintable() else "_" for c in last).strip().lstrip(".")
    return printable or "unnamed"


def public(name: str) -> str:
    """Return a name without the serial number that may be in it: for pages, log and API."""
    return SERIAL.sub(lambda match: f"…{match[0][-3:]}", name)


def _short(name: str) -> str:
    """Return a name for the disk: its extension, and as much before it as there is room for."""
    stem, dot, extension = UNSAFE.sub("_", name).rpartition(".")
    stem, extension = (stem, dot + extension) if dot and len(extension) <= 10 else (stem + dot + extension, "")
    room = MAX_NAME - len(extension.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + extension


@define(eq=False)
class Incoming:
    """A file while it arrives: hidden, and only its owner may read it. End it by `finish` or `abort`.

    `reserve` is called before each write with the bytes to come, and raises OSError if there is no room for them.
    """

    _root: Path
    _name: str
    _reserve: Callable[[int], None] = lambda _: None
    _file: Any = None
    _hidden: Path | None = None
    _digest: Any = field(factory=hashlib.sha256)
    count: int = 0  # bytes so far

    def write(self, data: bytes) -> None:
        """Take the bytes that follow; raises Unacceptable beyond MAX_SIZE, or OSError."""
        if self.count + len(data) > MAX_SIZE:
            raise too_large()
        self._reserve(len(data))
        if self._file is None:
            self._open()
        self._file.write(data)
        self._digest.update(data)
        self.count += len(data)

    def seal(self) -> None:
        """Sync and close the file, to which nothing comes any more. Of a form with 500 files few are open at a time."""
        if self._file is not None and not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def finish(self) -> Kept:
        """Sync the file and give it its name; raises Unacceptable for an empty one, or OSError.

        A file of the same content that is kept already takes its place.
        """
        if self._file is None or self._hidden is None:
            raise Unacceptable("the file is empty")
        self.seal()
        sha256, name = self._digest.hexdigest(), clean_name(self._name)
        path = self._hidden.with_name(f"{sha256[:KEY]} {_short(name)}")
        same = next(path.parent.glob(f"{sha256[:KEY]} *"), None)
        if same is not None and is_whole(same, sha256):
            self.abort()
            path = same
        else:
            path = free_name(path) if path.exists() else path
            self._hidden.rename(path)
            self._hidden = None
            with opened_folder(path.parent, self._root) as folder:
                os.fsync(folder)
        return Kept(sha256, name, self.count, f"{KEPT}/{path.name}")

    def abort(self) -> None:
        """Leave nothing behind. Raises nothing."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        if self._hidden is not None:
            with contextlib.suppress(OSError):
                self._hidden.unlink(missing_ok=True)
        self._file = self._hidden = None

    def _open(self) -> None:
        folder = self._root / KEPT
        add_folder(folder, self._root)
        with contextlib.suppress(OSError):  # a file system without modes
            folder.chmod(0o700)
        self._hidden = folder / f".{secrets.token_hex(8)}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(self._hidden, flags, 0o600), "wb")


def is_whole(path: Path, sha256: str) -> bool:
    """Whether a kept file is still there, with its content. Blocks."""
    try:
        return _digest_of(path) == sha256
    except OSError:
        return False


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def orphans(root: Path, known: frozenset[str]) -> list[Kept]:
    """Return the kept files that are in no ledger: the collector was killed after it had kept them. Blocks."""
    keys, found = {sha256[:KEY] for sha256 in known}, []
    with contextlib.suppress(OSError):
        for path in sorted((root / KEPT).iterdir()):
            key, blank, name = path.name.partition(" ")
            if key in keys or not blank or not re.fullmatch(rf"[0-9a-f]{{{KEY}}}", key) or path.is_symlink():
                continue
            found.append(Kept(_digest_of(path), name, path.stat().st_size, f"{KEPT}/{path.name}"))
    return found
