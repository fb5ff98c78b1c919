"""The roster `config/motions.csv`: which person carries which device on which days."""

from __future__ import annotations

import codecs
import csv
import datetime
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from attrs import frozen

from sse_twisted.devices.drivers import device_name
from sse_twisted.runtime.text import NotUtf8, plural, text_of

DEVICE = "Motion ID"
FIRST_DAY = "Start Date"
LAST_DAY = "End Date"
FILE_ID = "File ID"
REQUIRED = (DEVICE, FIRST_DAY, LAST_DAY, FILE_ID)


class RosterError(ValueError):
    """The whole file is unusable."""


class _BadQuotes(ValueError):
    """Unbalanced quotes in the row that begins at `line`."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@frozen
class Mistake:
    """A line that is invalid or contradicts an earlier one; the other lines are used."""

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
        return self.first_day <= day <= self.last_day


@frozen
class Roster:
    """All assignments in the order of the file: of two for one device and day, the first counts."""

    assignments: tuple[Assignment, ...] = ()
    mistakes: tuple[Mistake, ...] = ()

    @cached_property
    def days(self) -> tuple[datetime.date, datetime.date] | None:
        """The first and the last day; None without assignments."""
        if not self.assignments:
            return None
        return min(a.first_day for a in self.assignments), max(a.last_day for a in self.assignments)

    @cached_property
    def _by_device(self) -> dict[int, list[Assignment]]:
        by_device: dict[int, list[Assignment]] = {}
        for assignment in self.assignments:
            by_device.setdefault(assignment.identifier, []).append(assignment)
        return by_device

    @property
    def identifiers(self) -> frozenset[int]:
        """The devices that are assigned on any day."""
        return frozenset(self._by_device)

    def of(self, identifier: int) -> tuple[Assignment, ...]:
        """Return the assignments of a device, in the order of the file."""
        return tuple(self._by_device.get(identifier, ()))

    def carriers(self, day: datetime.date) -> dict[int, Assignment]:
        """Return the assignment of each device that is assigned on a day."""
        return carriers_on(day, self.assignments)

    @property
    def summary(self) -> str:
        days = f", {self.days[0]} to {self.days[1]}" if self.days else ""
        return f"{plural(len(self.assignments), 'assignment')} of {plural(len(self.identifiers), 'device')}{days}"

    def sailor(self, identifier: int) -> str:
        """Return the names of all who carry the device during the event, for a message."""
        return " / ".join(dict.fromkeys(a.sailor for a in self.of(identifier) if a.sailor))


def carriers_on(day: datetime.date, assignments: Iterable[Assignment]) -> dict[int, Assignment]:
    """Return the assignment of each device on a day: of two, the first counts."""
    carriers: dict[int, Assignment] = {}
    for assignment in assignments:
        if assignment.covers(day):
            carriers.setdefault(assignment.identifier, assignment)
    return carriers


def parse_roster(data: bytes) -> Roster:
    """Parse a CSV file with its columns in any order; raises RosterError if no line can be used.

    The text is UTF-8, with or without BOM, or the Windows code page that spreadsheets fall back to. The delimiter is
    "," or ";".
    """
    mistakes: list[Mistake] = []
    try:
        text = text_of(data)
    except NotUtf8 as error:
        text = data.removeprefix(codecs.BOM_UTF8).decode("cp1252", errors="replace")
        mistakes.append(Mistake(error.line, "not UTF-8: the file is read as Windows-1252"))
    try:
        rows = [*_rows(text)]
    except _BadQuotes as error:
        mistakes.append(Mistake(error.line, f"unbalanced quotes ({error}): all quotes in the file are ignored"))
        try:
            rows = [*_rows(text.replace('"', ""))]
        except _BadQuotes as other:
            raise RosterError(f"line {other.line}: {other}") from None
    assignments = [*_assignments(rows, mistakes)]
    mistakes += _overlaps(assignments)
    return Roster(tuple(assignments), tuple(sorted(mistakes, key=lambda mistake: mistake.line)))


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank, with the number of its last line."""
    heading = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = ";" if heading.count(";") > heading.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 0
    try:
        for row in reader:
            line = reader.line_num
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield line, cells
    except csv.Error as error:
        raise _BadQuotes(line + 1, str(error)) from None


def _assignments(rows: list[tuple[int, list[str]]], mistakes: list[Mistake]) -> Iterator[Assignment]:
    if not rows:
        raise RosterError("the file is empty")
    _check_columns(*rows[0])
    columns = rows[0][1]
    for line, row in rows[1:]:
        values = dict.fromkeys(REQUIRED, "") | {name: cell for name, cell in zip(columns, row, strict=False) if name}
        if not any(values.values()):  # notes outside the named columns
            continue
        try:
            assignment = _assignment(values, line)
        except ValueError as error:
            mistakes.append(Mistake(line, str(error)))
            continue
        if assignment is not None:
            yield assignment


def _check_columns(line: int, columns: list[str]) -> None:
    if missing := [name for name in REQUIRED if name not in columns]:
        raise RosterError(f"line {line}: missing column {', '.join(map(repr, missing))}")
    if twice := [name for name in REQUIRED if columns.count(name) > 1]:
        raise RosterError(f"line {line}: duplicate column {twice[0]!r}")


def _assignment(values: Mapping[str, str], line: int) -> Assignment | None:
    """Read one row; raises ValueError. An entrant without a device has the number 0 or less and no assignment."""
    if not re.fullmatch(r"[+-]?[0-9]{1,6}", values[DEVICE], re.ASCII):
        raise ValueError(f"invalid {DEVICE} {values[DEVICE]!r}: expected a number")
    identifier = int(values[DEVICE])
    if identifier <= 0:
        return None
    first_day, last_day = (_day(name, values[name]) for name in (FIRST_DAY, LAST_DAY))
    if last_day < first_day:
        raise ValueError(f"{LAST_DAY} {last_day} is before {FIRST_DAY} {first_day}")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,40}", values[FILE_ID]):
        raise ValueError(f"invalid {FILE_ID} {values[FILE_ID]!r}: expected 1 to 40 letters, digits and hyphens")
    sailor = " ".join(filter(None, (values.get("First Name"), values.get("Family Name"))))
    tally = values.get("Tally", "")
    return Assignment(identifier, first_day, last_day, values[FILE_ID], _one_line(sailor), _one_line(tally), line)


def _one_line(value: str) -> str:
    return "".join(c if c.isprintable() else " " for c in value).strip()


def _day(name: str, value: str) -> datetime.date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        raise ValueError(f"invalid {name} {value!r}: expected YYYY-MM-DD" if value else f"{name} is empty")
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"invalid {name} {value!r}: not in the calendar") from None


def _overlaps(assignments: list[Assignment]) -> Iterator[Mistake]:
    by_device: dict[int, list[Assignment]] = {}
    for later in assignments:
        for earlier in by_device.get(later.identifier, ()):
            if earlier.first_day <= later.last_day and later.first_day <= earlier.last_day:
                day, name = max(earlier.first_day, later.first_day), device_name(later.identifier)
                yield Mistake(later.line, f"{name} is already assigned on {day}: line {earlier.line} counts")
                break
        by_device.setdefault(later.identifier, []).append(later)
