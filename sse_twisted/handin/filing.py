"""The place of a handed-in track in `gpslogs`: the name that the results software reads. Blocks.

Nothing is overwritten: a name that is taken gets a number. Where the same bytes have the name, they are the track.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sse_twisted.config.assignment import Assignment
from sse_twisted.event_folder.files import (
    add_folder,
    keep_copy,
    move_file,
    opened_folder,
    remove_file,
    same_content,
    sync,
)
from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.runtime.bounded_file import open_regular

TRACKS: Final = "gpslogs"  # it may be a link to another disk


def track_name(file_id: str, number: int, start: int, zone: dt.tzinfo, extension: str) -> TrackName:
    """Return the name of a track; `start` in ms UTC, `number` that of the owner's device on that day, or 0."""
    moment = dt.datetime.fromtimestamp(start / 1000, zone)
    return TrackName(f"{file_id}_{number}", f"{moment:%Y%m%d_%H%M%S}", extension=extension)


def number_on(day: dt.date, start: int, file_id: str, zone: dt.tzinfo, assignments: tuple[Assignment, ...]) -> int:
    """Return the number of the device that a person carries at `start` (ms UTC) on a day; 0 without one."""
    mine = [a for a in assignments if a.file_id == file_id and a.covers(day)]
    moment = dt.datetime.fromtimestamp(start / 1000, zone).replace(tzinfo=None)
    at_start = (a.identifier for a in mine if a.covers_start(day, moment))
    return next(at_start, mine[0].identifier if mine else 0)


def put(root: Path, kept: Path, name: TrackName) -> str:
    """Copy a kept file to its place, synced, with the mode of other tracks; return its path. Raises OSError."""
    folder = root / name.folder
    add_folder(folder, root / TRACKS)
    for candidate in _numbered(name):
        path = folder / str(candidate)
        if path.exists() or path.is_symlink():
            if path.is_file() and not path.is_symlink() and same_content(path, kept):
                sync(path, path.parent)
                return candidate.local_file
            continue
        if _copy(kept, path, root):
            return candidate.local_file
    raise AssertionError("unreachable")


def move(root: Path, former: str, kept: Path, name: TrackName) -> str:
    """Give a filed track another name; where somebody has deleted or changed it, put a new copy. Raises OSError."""
    source = root / former
    if source.is_symlink() or not source.is_file() or not same_content(source, kept):
        return put(root, kept, name)
    folder = root / name.folder
    add_folder(folder, root / TRACKS)
    free = next(each for each in _numbered(name) if each.local_file == former or not (folder / str(each)).exists())
    if free.local_file != former:
        move_file(source, folder / str(free), root / TRACKS)
        sync(folder, source.parent)
    return free.local_file


def take_away(root: Path, former: str, kept: Path) -> None:
    """Remove a filed track, of which the original is kept; one that was changed since is set aside. Raises OSError."""
    source = root / former
    if source.is_symlink() or not source.is_file():
        return
    if not kept.is_file() or not same_content(source, kept):
        keep_copy(source, root / TRACKS / "superseded" / source.parent.name)
    remove_file(source, root / TRACKS)
    sync(source.parent)


def _numbered(name: TrackName) -> Iterator[TrackName]:
    number = name.number
    while True:
        yield name.with_number(number)
        number += 1


def _copy(kept: Path, path: Path, root: Path) -> bool:
    """Copy a file to a name that must be free; return whether it was."""
    hidden = f".{path.name}.{secrets.token_hex(4)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with opened_folder(path.parent, root / TRACKS) as folder:
        try:
            descriptor = os.open(hidden, flags, 0o666, dir_fd=folder)
            with open_regular(kept) as source, os.fdopen(descriptor, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
            try:
                os.link(hidden, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                return False
            except OSError:  # a file system without links
                if path.exists():
                    return False
                os.rename(hidden, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(hidden, dir_fd=folder)
        os.fsync(folder)
    return True
