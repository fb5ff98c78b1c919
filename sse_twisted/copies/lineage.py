"""The starts of collectors on an event: who descends from whom, whatever their clocks say.

Each start has a file `.sse_twisted/starts/<id>.json` with the starts after which it came: all that were in the folder.
The files go into the copies, and come back with them. A start in a copy that was not in the event folder when this
collector started is one that it does not descend from: another collector has gone on with the copy.

A collector that is started again and again must not fill the folder: after a hundred starts, the next one names all of
them, and takes the place of their files.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from sse_twisted.copies.source import STARTS
from sse_twisted.event_folder.files import make_folder, write_whole
from sse_twisted.runtime.bounded_file import read_bounded

MAX_SIZE = 1_000_000  # bytes of a file
MAX_FILES = 100
MAX_NAMED = 20_000  # starts that one names; a copy that has only older ones is taken for that of a stranger


class Start(Struct, frozen=True):
    """A start of a collector."""

    id: str
    after: tuple[str, ...] = ()
    host: str = ""
    at: float = 0.0  # s since 1970, by the clock of that computer: for people only


class Lineage(Struct, frozen=True):
    """A start, and all starts that it descends from."""

    own: str
    ancestors: frozenset[str] = frozenset()

    def strangers(self, found: Iterable[str]) -> set[str]:
        """Return the starts of `found` that this one does not descend from."""
        return set(found) - self.ancestors - {self.own}


def begin(root: Path, now: float) -> tuple[Lineage, str]:
    """Note this start in a locked event folder; return also why it could not be noted, or "". Blocks."""
    folder, own = root / STARTS, secrets.token_hex(16)
    lineage = Lineage(own)
    try:
        starts = sorted(read_starts(folder), key=lambda start: len(start.after), reverse=True)  # old ones come first
        files = [start.id for start in starts]
        known = dict.fromkeys([*(each for start in starts for each in start.after), *files])
        lineage = Lineage(own, frozenset(known))
        is_full = len(files) >= MAX_FILES
        after = list(known)[-MAX_NAMED:] if is_full else _heads(starts)
        make_folder(folder)
        start = Start(own, tuple(after), socket.gethostname(), now)
        write_whole(folder / f"{own}.json", msgspec.json.encode(start) + b"\n")
        for name in files if is_full else ():
            (folder / f"{name}.json").unlink()
    except OSError as error:
        return lineage, f"{error.strerror} ({error.filename})"
    return lineage, ""


def _heads(starts: Iterable[Start]) -> list[str]:
    """Return the starts that no other one has come after."""
    return sorted({start.id for start in starts} - {each for start in starts for each in start.after})


def read_starts(folder: Path) -> list[Start]:
    """Return the starts in a folder; of one whose file cannot be read, its name. Blocks; raises OSError."""
    starts = []
    for name in start_names(folder):
        try:
            starts.append(msgspec.json.decode(read_bounded(folder / f"{name}.json", MAX_SIZE), type=Start))
        except (OSError, ValueError, RecursionError):
            starts.append(Start(name))
    return starts


def start_names(folder: Path) -> list[str]:
    """Return the ids of the starts in a folder, which may be missing. Blocks; raises OSError."""
    try:
        return sorted(path.stem for path in folder.iterdir() if path.suffix == ".json" and path.name[0] != ".")
    except FileNotFoundError:
        return []
