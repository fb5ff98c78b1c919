"""The starts of collectors on an event: who descends from whom, whatever their clocks say.

Each start has a file `.sse_twisted/starts/<id>.json` with the starts after which it came: all that were in the folder.
The files go into the copies, and come back with them. A start in a copy that was not in the event folder when this
collector started is one that it does not descend from: another collector has gone on with the copy.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable
from pathlib import Path

import msgspec
from attrs import frozen
from msgspec import Struct

from sse_twisted.copies.source import STARTS
from sse_twisted.event_folder.files import make_folder, write_whole
from sse_twisted.runtime.bounded_file import read_bounded

MAX_SIZE = 1_000_000  # bytes of a file


class Start(Struct, frozen=True):
    """A start of a collector."""

    id: str
    after: tuple[str, ...] = ()
    host: str = ""
    at: float = 0.0  # s since 1970, by the clock of that computer: for people only


@frozen
class Lineage:
    """A start, and all starts that it descends from."""

    own: str
    ancestors: frozenset[str] = frozenset()

    def strangers(self, found: Iterable[str]) -> set[str]:
        """Return the starts of `found` that this one does not descend from."""
        return set(found) - self.ancestors - {self.own}


def begin(root: Path, now: float) -> tuple[Lineage, str]:
    """Note this start in a locked event folder; return also why it could not be noted, or "". Blocks."""
    known = {start.id: start for start in read_starts(root / STARTS)}
    heads = known.keys() - {each for start in known.values() for each in start.after}
    own = Start(secrets.token_hex(16), tuple(sorted(heads)), socket.gethostname(), now)
    lineage = Lineage(own.id, frozenset(known))
    try:
        make_folder(root / STARTS)
        write_whole(root / STARTS / f"{own.id}.json", msgspec.json.encode(own) + b"\n")
    except OSError as error:
        return lineage, f"{error.strerror} ({error.filename})"
    return lineage, ""


def read_starts(folder: Path) -> list[Start]:
    """Return the starts in a folder; of one whose file cannot be read, its name. Blocks; raises no OSError."""
    starts = []
    for name in start_names(folder):
        try:
            starts.append(msgspec.json.decode(read_bounded(folder / f"{name}.json", MAX_SIZE), type=Start))
        except (OSError, ValueError, RecursionError):
            starts.append(Start(name))
    return starts


def start_names(folder: Path) -> list[str]:
    """Return the ids of the starts in a folder. Blocks; raises no OSError."""
    try:
        return sorted(path.stem for path in folder.iterdir() if path.suffix == ".json" and path.name[0] != ".")
    except OSError:
        return []
