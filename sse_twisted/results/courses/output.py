"""Writes the results files, and never over a file that somebody else wrote or changed.

The SHA-256 of each file that we write is noted in `.sse_twisted/gpsdata.json` before the file gets its name. A file
whose digest is not noted is somebody's: ours then goes to `results/gpsdata/` with the same name. Blocks.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from sse_twisted.event_folder.files import add_folder, sync, write_whole
from sse_twisted.results.courses.gpsdata import FOLDER, path_of
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.runtime.text import json_bytes

NOTES: Final = ".sse_twisted/gpsdata.json"
ASIDE: Final = "results"  # below which our files go where somebody has one
MAX_SIZE: Final = 16 * 1024 * 1024  # bytes of a results file; a day of 1,000 runs has 70 KB
NO_FILE: Final = b"\0"
KEPT: Final = 2  # digests of each file: the last, and the one before if the last was not renamed yet

Notes = dict[str, list[str]]


class Written(Struct, frozen=True):
    """Where the file of a course is, and whether somebody else's stands in its place."""

    path: str  # below the event folder; "" if there is none
    foreign: bytes | None = None  # what somebody else's file holds


def write_day(root: Path, day: dt.date, files: Mapping[str, bytes]) -> dict[str, Written]:
    """Write the files of all courses of a day; `files` are by course. Raises OSError.

    Files of ours that are no longer wanted are removed: the results software stops at a course that it does not know.
    """
    notes = _read_notes(root)
    _remove_unwanted(root, day, files, notes)
    return {course: _write(root, path_of(day, course), data, notes) for course, data in files.items()}


def _write(root: Path, path: str, data: bytes, notes: Notes) -> Written:
    found, aside = _content(root / path), f"{ASIDE}/{path}"
    if found is not None and found != data and _digest(found) not in notes.get(path, []):
        if _content(root / aside) != data:
            store(root, aside, data)
        return Written(aside, found)
    if found != data:
        _note(root, notes, path, _digest(data))
        store(root, path, data)
    (root / aside).unlink(missing_ok=True)
    return Written(path)


def store(root: Path, path: str, data: bytes) -> None:
    """Replace a file at a path below the event folder, which must exist. Raises OSError."""
    add_folder((root / path).parent, root)
    write_whole(root / path, data)


def _remove_unwanted(root: Path, day: dt.date, files: Mapping[str, bytes], notes: Notes) -> None:
    folder = f"{FOLDER}/{day:%Y%m%d}/"
    wanted = {path_of(day, course) for course in files}
    for path in [path for path in notes if path.startswith(folder) and path not in wanted]:
        found = _content(root / path)
        if found is not None and _digest(found) in notes[path]:
            (root / path).unlink()
            sync((root / path).parent)


def _content(path: Path) -> bytes | None:
    """Return the bytes of a file, None without one; NO_FILE for what is no readable file of that size."""
    try:
        return NO_FILE if path.is_symlink() else read_bounded(path, MAX_SIZE)
    except FileNotFoundError:
        return None
    except OSError:
        return NO_FILE


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _note(root: Path, notes: Notes, path: str, digest: str) -> None:
    notes[path] = [digest, *notes.get(path, [])][:KEPT]
    store(root, NOTES, json_bytes(notes))


def _read_notes(root: Path) -> Notes:
    """Read the digests; without a readable file all results files are somebody's."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        tree = json.loads(read_bounded(root / NOTES))
        if isinstance(tree, dict):
            return {path: [str(digest) for digest in each] for path, each in tree.items() if isinstance(each, list)}
    return {}
