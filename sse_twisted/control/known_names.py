"""The names that a support bundle must not tell, gathered from all files of an event. Blocks."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import socket
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from sse_twisted.config.roster import REQUIRED, SYNONYMS
from sse_twisted.config.spreadsheet import BadQuotes, SheetError, decoded, read_sheet, squashed
from sse_twisted.control.pseudonyms import KEYS, OWNER, WORD, Pseudonyms
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.handin.ledger import FOLDER, MAX_LEDGER, PATH
from sse_twisted.handin.matching import SEPARATORS
from sse_twisted.handin.service import COLLECTOR
from sse_twisted.runtime.bounded_file import read_bounded

MAX_FILE = 8_000_000  # bytes of a file that is read for names
TURN = 20_000  # lines of a log that are read at once
HAND_INS_IN_TURN = 100  # lines of their ledger, which are long
MAX_DEPTH = 50  # of JSON
COLUMNS = {
    "firstname": "person",
    "familyname": "person",
    "name": "person",
    "fileid": "file_id",
    "backup": "serial",
}  # squashed
# What the logs say of sailors and File IDs that the roster may no longer name.
LOST = re.compile(r"(?:left too early|is not collected|not all here|before this start|is waived).*? - ([^:\n]{1,80}): ")
CHANGED = re.compile(r"Roster: (?:removed|added) \S+ (\S+) (.{0,200}), \d{4}-\d\d-\d\d to ")

INVALID = re.compile(r"\bFile ID (?:'([^'\n]{1,200})'|\"([^\"\n]{1,200})\")")


def read_text(path: Path, most: int = MAX_FILE) -> str | None:
    """Return the text of a regular file, decoded as a roster is; None if it is missing or larger than `most`."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            return None
        with path.open("rb") as file:
            data = file.read(most)
    except OSError:
        return None
    return decoded(data)[0]


def gather(pseudonyms: Pseudonyms, folder: EventFolder, secret_files: Iterable[Path]) -> Iterator[None]:
    """Add the names of an event to `pseudonyms`, in turns of some ms each."""
    for path in (*secret_files, folder.state / "web-token", folder.state / "console.password"):
        for line in (read_text(path) or "").splitlines():
            pseudonyms.add_secret(line.partition(":")[2] or line)
            pseudonyms.add_secret(line)
    if home := re.match(r"/(?:home|Users)/([^/]+)/", str(folder.root.resolve())):
        pseudonyms.add_person(home[1])
    if (host := socket.gethostname().partition(".")[0]) != "localhost":
        pseudonyms.add("host", host)
    yield
    for path in sorted((folder.root / "config").glob("*.csv*")):
        _add_roster(pseudonyms, read_text(path) or "")
        yield
    documents = [*sorted((folder.root / "motions").glob("*/*.json*")), *sorted(folder.state.glob("*.json*"))]
    for path in documents:
        _add_document(pseudonyms, read_text(path) or "")
        yield
    yield from _add_hand_ins(pseudonyms, folder.root / PATH)
    for path in sorted(folder.logs.glob("server.log*")):
        yield from _add_told(pseudonyms, path)


class _HandIn(Struct):
    """What a line of the ledger of the hand-ins tells of people."""

    name: str = ""  # under which the file came
    who: str = ""  # "Ann (board, 10.0.0.7)"
    owner: str = ""  # that was typed into the device
    serial: str = ""


def _add_hand_ins(pseudonyms: Pseudonyms, path: Path) -> Iterator[None]:
    """Add the words of the names of files, since riders name them after themselves, and those who handed them in."""
    decoder = msgspec.json.Decoder(_HandIn)
    try:
        data = read_bounded(path, MAX_LEDGER)
    except OSError:
        return
    for number, line in enumerate(data.splitlines()):
        if number % HAND_INS_IN_TURN == 0:
            yield
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = decoder.decode(line)
            stem = found.name.rpartition(".")[0] or found.name
            for word in WORD.findall(f"{stem} {found.owner}"):
                if not word.isdecimal():
                    pseudonyms.add_person(word)
            if found.who not in (COLLECTOR, FOLDER):
                pseudonyms.add_person(found.who.partition(" (")[0])
            if found.serial:
                pseudonyms.add("serial", found.serial)


def kinds_of(heading: Iterable[str]) -> list[str | None]:
    """Return what the columns of a table hold: the kind of a pseudonym, or None."""
    names = (SYNONYMS.get(squashed(cell), cell) for cell in heading)
    return [COLUMNS.get(squashed(name)) for name in names]


def _add_roster(pseudonyms: Pseudonyms, text: str) -> None:
    """Add all names in the columns of a roster, also those of lines that are invalid."""
    try:
        sheet = read_sheet(text.encode(errors="replace"), REQUIRED)
        heading, *rows = sheet.rows()
    except SheetError:
        return
    except BadQuotes:
        heading, *rows = sheet.rows(without_quotes=True)
    kinds = kinds_of(heading[1])
    if "file_id" not in kinds:
        return
    for _, row in rows:
        for kind, cell in zip(kinds, row, strict=False):
            if kind == "person":
                pseudonyms.add_person(cell)
            elif kind == "serial":  # the column of other devices, which has several
                for each in filter(str.strip, SEPARATORS.split(cell)):
                    pseudonyms.add(kind, each)
            elif kind and cell:
                pseudonyms.add(kind, cell)


def _add_document(pseudonyms: Pseudonyms, text: str) -> None:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return
    for key, value in _leaves(tree):
        for owner in OWNER.findall(key) + (OWNER.findall(value) if isinstance(value, str) else []):
            pseudonyms.add("file_id", owner.lstrip("."))
        if key == "left_early" and isinstance(value, str) and ": " in value:
            pseudonyms.add_person(value.partition(": ")[0])
        kind = KEYS.get(key.lower().replace("-", "_").replace(" ", "_"))
        if kind is None or isinstance(value, bool | float) or value in (None, ""):
            continue
        if kind == "person":
            pseudonyms.add_person(str(value))
        elif kind == "secret":
            pseudonyms.add_secret(str(value))
        else:
            pseudonyms.add(kind, str(value))


def _leaves(tree: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield each value that is neither object nor list, with its key."""
    if depth > MAX_DEPTH:
        return
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield name, None
            yield from _leaves(value, name, depth + 1)
    elif isinstance(tree, list):
        for value in tree:
            yield from _leaves(value, key, depth + 1)
    else:
        yield key, tree


def _add_told(pseudonyms: Pseudonyms, path: Path) -> Iterator[None]:
    """Add what the messages of a log tell, in turns."""
    with contextlib.suppress(OSError):
        if not stat.S_ISREG(path.lstat().st_mode):
            return
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file):
                if number % TURN == 0:
                    yield
                for sailors in LOST.findall(line):
                    for sailor in sailors.split(" / "):
                        pseudonyms.add_person(sailor)
                for file_id in filter(None, itertools.chain(*INVALID.findall(line))):
                    pseudonyms.add("file_id", file_id)
                for file_id, sailor in CHANGED.findall(line):
                    pseudonyms.add("file_id", file_id)
                    pseudonyms.add_person(sailor)
