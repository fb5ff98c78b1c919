"""Who carries which device on which day: `config/motions.csv`, as the organisers keep it."""

from __future__ import annotations

import codecs
import csv
import datetime
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import field, frozen

from sse_twisted.devices.drivers import device_name
from sse_twisted.runtime.text import NotUtf8, plural, text_of

DEVICE = "Motion ID"
FIRST_DAY = "Start Date"
LAST_DAY = "End Date"
FILE_ID = "File ID"
REQUIRED = (DEVICE, FIRST_DAY, LAST_DAY, FILE_ID)


Row = dict[str | Any, str | Any]  # as csv.DictReader gives it


class RosterError(ValueError):
    """The file as a whole is no roster: nothing of it can be used."""


class _BadQuotes(ValueError):
    """In the row that begins at this line."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@frozen
class Mistake:
    """A line of the file that was not understood, or contradicts another; the other lines count."""

    line: int
    text: str


@frozen
class Assignment:
    """One person carries one device from the first to the last day inclusive, in the device's time zone."""

    identifier: int
    first_day: datetime.date
    last_day: datetime.date
    file_id: str
    sailor: str
    tally: str
    line: int

    def covers(self, day: datetime.date) -> bool:
        """Whether the device is this person's on that day."""
        return self.first_day <= day <= self.last_day


@frozen
class Roster:
    """All assignments in the order of the file: where two claim a device on one day, the first counts."""

    assignments: tuple[Assignment, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    days: tuple[datetime.date, datetime.date] | None = field(
        init=False, eq=False
    )  # the first and the last; None if empty
    _by_device: dict[int, list[Assignment]] = field(factory=dict, init=False, eq=False, repr=False)

    @days.default
    def _find_days(self) -> tuple[datetime.date, datetime.date] | None:
        if not self.assignments:
            return None
        return min(a.first_day for a in self.assignments), max(a.last_day for a in self.assignments)

    def __attrs_post_init__(self) -> None:
        for assignment in self.assignments:
            self._by_device.setdefault(assignment.identifier, []).append(assignment)

    @property
    def identifiers(self) -> frozenset[int]:
        """The devices that anybody carries on any day."""
        return frozenset(self._by_device)

    def of(self, identifier: int) -> tuple[Assignment, ...]:
        """Everybody who carries the device, in the order of the file."""
        return tuple(self._by_device.get(identifier, ()))

    def carriers(self, day: datetime.date) -> dict[int, Assignment]:
        """Who carries each device on that day."""
        return carriers_on(day, self.assignments)

    @property
    def summary(self) -> str:
        days = f", {self.days[0]} to {self.days[1]}" if self.days else ""
        return f"{plural(len(self.assignments), 'assignment')} of {plural(len(self.identifiers), 'device')}{days}"

    def sailor(self, identifier: int) -> str:
        """Everybody who carries the device during the event, for a message."""
        return " / ".join(dict.fromkeys(a.sailor for a in self.of(identifier) if a.sailor))


def carriers_on(day: datetime.date, assignments: Iterable[Assignment]) -> dict[int, Assignment]:
    """Who has each device on a day: of two the first on the roster counts."""
    carriers: dict[int, Assignment] = {}
    for assignment in assignments:
        if assignment.covers(day):
            carriers.setdefault(assignment.identifier, assignment)
    return carriers


def parse_roster(data: bytes) -> Roster:
    """The roster of a CSV file, columns in any order; raises RosterError if no line can be understood.

    UTF-8 with or without BOM, or the Windows code page that spreadsheets fall back to; "," or ";" between.
    """
    mistakes: list[Mistake] = []
    try:
        text = text_of(data)
    except NotUtf8 as error:
        text = data.removeprefix(codecs.BOM_UTF8).decode("cp1252", errors="replace")
        mistakes.append(Mistake(error.line, "not UTF-8: the file is read as Windows-1252"))
    try:
        assignments = _read(text, mistakes)
    except _BadQuotes as error:
        mistakes.append(Mistake(error.line, f"quotes don't match ({error}): the file is read without regard to quotes"))
        try:
            assignments = _read(text.replace('"', ""), mistakes)
        except _BadQuotes as other:
            raise RosterError(f"line {other.line}: {other}") from None
    mistakes += _overlaps(assignments)
    return Roster(tuple(assignments), tuple(sorted(mistakes, key=lambda mistake: mistake.line)))


def _read(text: str, mistakes: list[Mistake]) -> list[Assignment]:
    lines = text.splitlines(keepends=True)
    blank = next((number for number, line in enumerate(lines) if line.strip()), 0)
    heading = lines[blank] if lines else ""
    delimiter = ";" if heading.count(";") > heading.count(",") else ","
    table = io.StringIO("".join(lines[blank:]), newline="")
    rows = csv.DictReader(table, delimiter=delimiter, restkey="", strict=True)
    _check_columns(rows, blank)
    found: list[Mistake] = []
    assignments = [*_assignments(_numbered(rows, blank), found)]
    mistakes += found
    return assignments


def _numbered(rows: csv.DictReader[str], above: int) -> Iterator[tuple[int, Row]]:
    """Each row with the number of its last line; `above` is how many blank ones there are before the heading."""
    end = rows.line_num
    try:
        for row in rows:
            end = rows.line_num
            yield above + end, row
    except csv.Error as error:
        raise _BadQuotes(above + end + 1, str(error)) from None


def _check_columns(rows: csv.DictReader[str], above: int) -> None:
    try:
        if not rows.fieldnames:
            raise RosterError("the file is empty")
    except csv.Error as error:
        raise _BadQuotes(above + 1, str(error)) from None
    rows.fieldnames = [name.strip() for name in rows.fieldnames]
    missing = [name for name in REQUIRED if name not in rows.fieldnames]
    if missing:
        raise RosterError(f"line {above + rows.line_num}: no column {' nor '.join(map(repr, missing))}")
    twice = [name for name in REQUIRED if rows.fieldnames.count(name) > 1]
    if twice:
        raise RosterError(f"line {above + rows.line_num}: two columns {twice[0]!r}")


def _assignments(rows: Iterable[tuple[int, Row]], mistakes: list[Mistake]) -> Iterator[Assignment]:
    for line, row in rows:
        values = {name: (value or "").strip() for name, value in row.items() if name}
        if not any(values.values()):
            continue
        try:
            assignment = _assignment(values, line)
        except ValueError as error:
            mistakes.append(Mistake(line, str(error)))
            continue
        if assignment is not None:
            yield assignment


def _assignment(values: Mapping[str, str], line: int) -> Assignment | None:
    if not re.fullmatch(r"[+-]?[0-9]{1,6}", values[DEVICE], re.ASCII):
        raise ValueError(f"{DEVICE} {values[DEVICE]!r} is no number of a device")
    identifier = int(values[DEVICE])
    if identifier <= 0:  # an entrant without a device
        return None
    first_day, last_day = (_day(name, values[name]) for name in (FIRST_DAY, LAST_DAY))
    if last_day < first_day:
        raise ValueError(f"{LAST_DAY} {last_day} is before {FIRST_DAY} {first_day}")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,40}", values[FILE_ID]):
        raise ValueError(f"{FILE_ID} {values[FILE_ID]!r} is no part of a file name: letters, digits and - only")
    sailor = " ".join(filter(None, (values.get("First Name"), values.get("Family Name"))))
    tally = values.get("Tally", "")
    return Assignment(identifier, first_day, last_day, values[FILE_ID], _one_line(sailor), _one_line(tally), line)


def _one_line(value: str) -> str:
    return "".join(c if c.isprintable() else " " for c in value).strip()


def _day(name: str, value: str) -> datetime.date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        raise ValueError(f"{name} {value!r} is no date of the form YYYY-MM-DD")
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{name} {value!r} is no day of the calendar") from None


def _overlaps(assignments: list[Assignment]) -> Iterator[Mistake]:
    by_device: dict[int, list[Assignment]] = {}
    for later in assignments:
        for earlier in by_device.get(later.identifier, ()):
            if earlier.first_day <= later.last_day and later.first_day <= earlier.last_day:
                day = max(earlier.first_day, later.first_day)
                first = f"line {earlier.line}"
                yield Mistake(later.line, f"{device_name(later.identifier)} is on {first} too on {day}: {first} counts")
                break
        by_device.setdefault(later.identifier, []).append(later)
