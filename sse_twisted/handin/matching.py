"""Whose a track is: by the name of its file, by its device, by the roster. Pure.

What stands first decides. Two clues that disagree decide nothing: then somebody is asked. Of several people, those
count who are at the event on a day of the track.

1. the name is that of the results software, `<File ID>_…`, or begins with a File ID of the roster
2. the number of an event device in the header, by the roster of that day
3. the roster's column `Backup`: a serial number, or a name that is in the name of the file or was typed into the device
4. first name and family name in the name of the file, or typed into the device; a family name alone if only one has it
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from sse_twisted.config.assignment import Assignment
from sse_twisted.event_folder.track_name import TrackName

BACKUP: Final = "Backup"  # column of the roster
MIN_WORD: Final = 3  # letters of a name that is searched for
SEPARATORS: Final = re.compile(r"[,;/|\n]+")


class Clues(Struct, frozen=True):
    """What a file tells of its owner. `device` is the number of an event device, 0 if it is none."""

    name: str
    owner: str = ""
    serial: str = ""
    device: int = 0


class Owner(Struct, frozen=True):
    """A person of the roster."""

    file_id: str
    sailor: str


class Match(Struct, frozen=True):
    """Whose a track is, and by which clue. With several candidates, or none, nobody is the owner."""

    owner: Owner | None
    reason: str
    candidates: tuple[Owner, ...] = ()


def owners_of(assignments: Iterable[Assignment]) -> tuple[Owner, ...]:
    """Return the people of the roster, each once."""
    return tuple({a.file_id: Owner(a.file_id, a.sailor) for a in reversed(tuple(assignments))}.values())


def match(clues: Clues, days: Sequence[dt.date], assignments: Sequence[Assignment]) -> Match:
    """Return the owner of a track with fixes of these days."""
    rules: tuple[tuple[str, Callable[[Clues, Sequence[dt.date], Sequence[Assignment]], Iterator[Assignment]]], ...] = (
        ("File ID in the name", _by_file_id),
        ("number of the device", _by_device),
        (f"column {BACKUP} of the roster", _by_backup),
        ("name of the sailor", _by_sailor),
    )
    found: dict[str, tuple[Owner, str]] = {}
    for reason, rule in rules:
        fitting = tuple(rule(clues, days, assignments))
        people = owners_of([a for a in fitting if any(map(a.covers, days))] or fitting)
        if len(people) > 1:
            return Match(None, f"several people fit by {reason}", _merged(found, people))
        for person in people:
            found.setdefault(person.file_id, (person, reason))
    if not found:
        return Match(None, "no owner found")
    if len(found) > 1:
        clues_of = " and ".join(f"{reason} ({person.file_id})" for person, reason in found.values())
        return Match(None, f"the clues disagree: {clues_of}", _merged(found, ()))
    ((owner, reason),) = found.values()
    return Match(owner, reason)


def _merged(found: dict[str, tuple[Owner, str]], others: tuple[Owner, ...]) -> tuple[Owner, ...]:
    known = {person.file_id: person for person, _ in found.values()}
    return tuple((known | {person.file_id: person for person in others}).values())


def _by_file_id(clues: Clues, days: Sequence[dt.date], assignments: Sequence[Assignment]) -> Iterator[Assignment]:
    """Find the owner by a File ID at the beginning of the name: the longest one that ends where a word ends."""
    name = TrackName.parse(clues.name)
    prefix = name.prefix.rpartition("_")[0] if name and not name.is_unassigned else ""
    exact = [a for a in assignments if a.file_id == prefix]
    if exact:
        yield from exact
        return
    text = _plain(clues.name)
    fitting = [
        a for a in assignments if re.match(rf"{re.escape(_plain(a.file_id))}(?![a-z0-9])", text) and len(a.file_id) > 2
    ]
    longest = max((len(a.file_id) for a in fitting), default=0)
    yield from (a for a in fitting if len(a.file_id) == longest)


def _by_device(clues: Clues, days: Sequence[dt.date], assignments: Sequence[Assignment]) -> Iterator[Assignment]:
    if clues.device:
        yield from (a for a in assignments if a.identifier == clues.device and any(map(a.covers, days)))


def _by_backup(clues: Clues, days: Sequence[dt.date], assignments: Sequence[Assignment]) -> Iterator[Assignment]:
    serial, words = _squashed(clues.serial), _words(clues)
    for assignment in assignments:
        for cell in SEPARATORS.split(assignment.columns.get(BACKUP, "")):
            wanted = _plain(cell).split()
            is_serial = bool(serial) and _squashed(cell) == serial
            is_long = len("".join(wanted)) >= MIN_WORD
            if is_serial or (is_long and any(_contains(each, wanted) for each in words)):
                yield assignment


def _by_sailor(clues: Clues, days: Sequence[dt.date], assignments: Sequence[Assignment]) -> Iterator[Assignment]:
    """Find those whose first and family name are there, together or apart; otherwise those whose family name is."""
    texts = _words(clues)
    whole, family_only = [], []
    for assignment in assignments:
        first, family = (_plain(assignment.columns.get(name, "")).split() for name in ("First Name", "Family Name"))
        if sum(map(str.isalpha, "".join(family))) < MIN_WORD:
            continue
        joined = {"".join((*first, *family)), "".join((*family, *first))} if first else set()
        with_family = [text for text in texts if _contains(text, family)]
        if any(_contains(text, first) for text in with_family) or any(joined & set(text) for text in texts):
            whole.append(assignment)
        if with_family:
            family_only.append(assignment)
    yield from whole or family_only


def _words(clues: Clues) -> tuple[list[str], ...]:
    """Return the words of the name of the file, read in three ways, and of what was typed into the device.

    "AdaAnchor2022.fit" has the words ada, anchor and 2022.
    """
    stem = clues.name.rpartition(".")[0] or clues.name
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem)
    without_digits = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", parted)
    return tuple(_plain(text).split() for text in (parted, stem, without_digits, clues.owner))


def _contains(text: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the words follow one another in a text."""
    if not wanted:
        return False
    return any(list(text[at : at + len(wanted)]) == list(wanted) for at in range(len(text) - len(wanted) + 1))


def _plain(text: str) -> str:
    """Return words of lower-case letters and digits, without accents."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return " ".join(re.findall(r"[^\W_]+", bare.casefold()))


def _squashed(text: str) -> str:
    return _plain(text).replace(" ", "")
