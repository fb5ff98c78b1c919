"""`sse-track`, with the option that hands files in: it puts them into the watched folder of an event.

A running collector takes them from there within seconds; without one, the next that is started does.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from sse_twisted.event_folder.files import add_folder, sync
from sse_twisted.event_folder.lock import FolderInUse, check_free, flock
from sse_twisted.handin.intake import MAX_SIZE, Unacceptable, clean_name, too_large
from sse_twisted.handin.ledger import FOLDER
from sse_twisted.runtime.text import plural

ROSTER: Final = "config/motions.csv"
MARKS: Final = (ROSTER, ".sse_twisted", "gpslogs")  # each event folder has one of them; a new one has the first
LEFTOVER: Final = re.compile(r"\.[0-9a-f]{16}\.part")


def put_in(event: Path, files: Sequence[Path]) -> int:
    """Copy files into the watched folder, each atomically; return 1 if one could not be copied."""
    if not any((event / mark).exists() for mark in MARKS):
        none = f"not an event folder: it has no {', '.join(MARKS[:-1])} or {MARKS[-1]}"
        print(f"sse-track: {event}: {none}. To make it one, write the roster to {event / ROSTER}", file=sys.stderr)
        return 1
    try:
        add_folder(event / FOLDER, event)
        _remove_leftovers(event / FOLDER)
    except OSError as error:
        print(f"sse-track: {event / FOLDER}: {error.strerror}", file=sys.stderr)
        return 1
    copied = 0
    for file in files:
        try:
            _copy(file, event / FOLDER)
        except (OSError, Unacceptable) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            print(f"sse-track: {file}: not handed in: {why}", file=sys.stderr)
        else:
            copied += 1
    if copied:
        print(f"{plural(copied, 'file')} handed in: {_what_happens(event)}")
    return 0 if copied == len(files) else 1


def _what_happens(event: Path) -> str:
    try:
        check_free(event)
    except FolderInUse:
        return "the running collector takes them now; see /hand-in of the board"
    except OSError:
        return f"the collector of {event} takes them"
    return f"no collector is running; the next one takes them from {event / FOLDER}"


def _copy(file: Path, folder: Path) -> None:
    """Copy a file under a hidden name, and give it its own; only the owner may read it."""
    size = file.stat().st_size
    if not file.is_file():
        raise Unacceptable("not a regular file")
    if not size:
        raise Unacceptable("the file is empty")
    if size > MAX_SIZE:
        raise too_large(size)
    hidden, target = _hidden(folder)
    try:
        with target, file.open("rb") as source:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
            hidden.rename(_free(folder / clean_name(file.name)))  # locked until then: another run would remove it
        sync(folder)
    finally:
        with contextlib.suppress(OSError):
            hidden.unlink()


def _hidden(folder: Path) -> tuple[Path, BinaryIO]:
    """Create a hidden file, and lock it as long as it is open: another run leaves it alone."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        path = folder / f".{secrets.token_hex(8)}.part"
        file = os.fdopen(os.open(path, flags, 0o600), "wb")
        with contextlib.suppress(BlockingIOError):
            flock(file.fileno(), fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:  # otherwise another run took it for a leftover, just before the lock
                return path, file
        file.close()


def _remove_leftovers(folder: Path) -> None:
    """Remove the hidden files of runs that were killed. Where the file system has no locks, they stay."""
    for path in folder.iterdir():
        if LEFTOVER.fullmatch(path.name):
            flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with contextlib.suppress(OSError), os.fdopen(os.open(path, flags), "r+b", buffering=0) as file:
                if flock(file.fileno(), fcntl.LOCK_EX):
                    path.unlink()


def _free(path: Path) -> Path:
    """Return the path, or one with a number before its extension if it is taken."""
    numbered = (path.with_name(f"{path.stem} {number}{path.suffix}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], numbered) if not each.exists())
