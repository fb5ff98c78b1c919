"""`sse-track`, with the option that hands files in: it puts them into the watched folder of an event.

A running collector takes them from there within seconds; without one, the next that is started does.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from sse_twisted.event_folder.files import add_folder, sync
from sse_twisted.event_folder.lock import FolderInUse, check_free
from sse_twisted.handin.intake import MAX_SIZE, Unacceptable, clean_name, too_large
from sse_twisted.handin.ledger import FOLDER
from sse_twisted.runtime.text import plural


def put_in(event: Path, files: Sequence[Path]) -> int:
    """Copy files into the watched folder, each atomically; return 1 if one could not be copied."""
    if not (event / "gpslogs").is_dir():
        print(f"sse-track: {event}: not an event folder (it has no gpslogs)", file=sys.stderr)
        return 1
    try:
        add_folder(event / FOLDER, event)
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
    hidden = folder / f".{secrets.token_hex(8)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with file.open("rb") as source, os.fdopen(os.open(hidden, flags, 0o600), "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        path = folder / clean_name(file.name)
        hidden.rename(_free(path))
        sync(folder)
    finally:
        with contextlib.suppress(OSError):
            hidden.unlink()


def _free(path: Path) -> Path:
    """Return the path, or one with a number before its extension if it is taken."""
    numbered = (path.with_name(f"{path.stem} {number}{path.suffix}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], numbered) if not each.exists())
