"""What makes a folder a copy of an event folder, and why one cannot be a copy."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from sse_twisted.copies.source import STATE
from sse_twisted.runtime.bounded_file import read_bounded

IDENTITY = f"{STATE}/copy.json"
NOISE = {"lost+found", "System Volume Information", "$RECYCLE.BIN", ".Trashes", ".fseventsd", ".Spotlight-V100"}


class CopyRefused(Exception):
    """The folder is left alone: it is no copy of this event, or another collector works with it."""


class Identity(Struct, frozen=True):
    """The file that makes a folder a copy: the random names of its event folder and of itself."""

    event: str
    copy: str


def refusal(root: Path, event_id: str) -> str:
    """Return why a folder cannot be a copy of an event because of what is in it; "" if it can. Blocks."""
    try:
        if not read_identity(root, event_id):
            check_empty(root)
    except CopyRefused as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def read_identity(root: Path, event_id: str) -> Identity | None:
    """Return the identity of a copy, None if the folder has none; raises CopyRefused or OSError."""
    try:
        identity = msgspec.json.decode(read_bounded(root / IDENTITY, 1000), type=Identity)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        raise CopyRefused(f"{IDENTITY} in it is unreadable: name an empty folder") from None
    if event_id and identity.event != event_id:
        raise CopyRefused("it is a copy of another event")
    return identity


def check_empty(root: Path) -> None:
    """Raise CopyRefused unless a folder can become a copy."""
    if {path.name for path in root.iterdir()} - NOISE and not is_begun(root):
        raise CopyRefused("it is not empty, and no copy of this event: name an empty folder in it or elsewhere")


def is_begun(root: Path) -> bool:
    """Whether all that is in the folder is what a kill has left of its becoming a copy."""
    if {path.name for path in root.iterdir()} - NOISE != {STATE}:
        return False
    names = [path.name for path in (root / STATE).iterdir()]
    return all(name.startswith(".") and name.endswith(".tmp") for name in names)


def is_same_disk(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether two files or folders are lost together; two partitions of one disk are taken for two disks."""
    return one.st_dev == other.st_dev


def nesting(event: Path, copy: Path) -> str:
    """Return why a folder cannot be a copy of an event folder because of where it is; "" if it can."""
    if copy == event:
        return "it is the event folder itself"
    if copy.is_relative_to(event):
        return "it is inside the event folder"
    return "the event folder is inside it" if event.is_relative_to(copy) else ""
