"""The roster `config/motions.csv`: which person carries which device on which days."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TypeVar

from msgspec import Struct

from sse_twisted.config.assignment import Assignment, carriers_on, sharers_on
from sse_twisted.config.dates import Order, date_of, order_of, time_behind, time_of
from sse_twisted.config.file_id import folded, parse_file_id, remark_on
from sse_twisted.config.spreadsheet import BadQuotes, Row, Sheet, SheetError, closest, read_sheet, squashed
from sse_twisted.devices.drivers import device_name, device_number
from sse_twisted.runtime.text import plural

__all__ = ["Assignment", "Mistake", "Roster", "RosterError", "carriers_on", "parse_roster", "sharers_on"]

DEVICE = "Motion ID"
FIRST_DAY = "Start Date"
LAST_DAY = "End Date"
FILE_ID = "File ID"
START_TIME = "Start Time"
END_TIME = "End Time"
ENTRANT = "Entrant ID"
REQUIRED = (DEVICE, FIRST_DAY, LAST_DAY, FILE_ID)
OPTIONAL = (START_TIME, END_TIME, ENTRANT, "Tally", "First Name", "Family Name")
SYNONYMS = {
    **dict.fromkeys(("givenname", "givennames", "forename", "christianname"), "First Name"),
    **dict.fromkeys(("surname", "lastname", "secondname"), "Family Name"),
    **dict.fromkeys(("sailno", "sailnr", "sailnumber", "bib", "bibno"), "Tally"),
    **dict.fromkeys(("device", "deviceid", "motion", "motionno", "gps"), DEVICE),
}
# "601", "motion-601", "601.0", '="601"', "#601" and "601 (spare)"; but no text with a second number
NUMBER = re.compile(r"""(?:=?"|'|\#)?\s*([+-]?[0-9]{1,6})(?:[.,]0*)?"?(?:\s+[(\[A-Za-z][^0-9]*)?""", re.ASCII)

T = TypeVar("T")


class RosterError(ValueError):
    """The whole file is unusable."""


class Mistake(Struct, frozen=True):
    """A line that is invalid or contradicts an earlier one; the other lines are used. Line 0: the whole file."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


class Unreadable(Struct, frozen=True):
    """A line that names an entrant but cannot be read; the entrant's former assignment stays in force."""

    line: int
    entrant: str  # Entrant ID; "" if the roster has none
    file_id: str
    identifier: int = 0  # of the device; 0 if its number cannot be read either


class Roster(Struct, frozen=True, dict=True):
    """All assignments in the order of the file: of two for one device and day, the first counts."""

    assignments: tuple[Assignment, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    remarks: tuple[Mistake, ...] = ()  # on what is read, but perhaps not as it is meant
    unreadable: tuple[Unreadable, ...] = ()
    spoilt: str = ""  # why the file must not take the place of another one, although some lines can be read
    kept: tuple[Assignment, ...] = ()  # assignments of an earlier version, of devices that this one lacks
    without_device: tuple[Assignment, ...] = ()  # of people who may hand in tracks; their number is 0

    @cached_property
    def people(self) -> tuple[Assignment, ...]:
        """The assignments, and the people without a device."""
        return *self.assignments, *self.without_device

    @cached_property
    def people_and_cells(self) -> tuple[object, ...]:
        """All that results depend on: assignments are equal whatever the entrant and the cells.

        It is the same object at each look, so that the same thousands of lines are not compared.
        """
        return tuple((each, each.entrant, each.columns) for each in self.people)

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

    @cached_property
    def ownerless(self) -> frozenset[int]:
        """The devices of lines that cannot be read but for their numbers, and of no others."""
        return frozenset(self._unreadable_lines) - self.identifiers

    @cached_property
    def _unreadable_lines(self) -> dict[int, set[int]]:
        lines: dict[int, set[int]] = {}
        for each in self.unreadable:
            if each.identifier > 0:
                lines.setdefault(each.identifier, set()).add(each.line)
        return lines

    def trouble_of(self, identifier: int) -> str:
        """Return why a line of a device cannot be read; "" if all can, or it has none."""
        if (lines := self._unreadable_lines.get(identifier)) is None:
            return ""
        return next(f"roster {mistake}" for mistake in self.mistakes if mistake.line in lines)

    def of(self, identifier: int) -> tuple[Assignment, ...]:
        """Return the assignments of a device, in the order of the file."""
        return tuple(self._by_device.get(identifier, ()))

    def carriers(self, day: datetime.date) -> dict[int, Assignment]:
        """Return the assignment of each device that is assigned on a day."""
        return carriers_on(day, self.assignments)

    def expected(self, day: datetime.date) -> dict[int, str]:
        """Return the sailor of each device that is assigned on a day; "" if a line of it cannot be read instead."""
        sailors = {number: carrier.sailor for number, carrier in self.carriers(day).items()}
        return dict.fromkeys(self._unreadable_lines, "") | sailors

    @property
    def summary(self) -> str:
        days = f", {self.days[0]} to {self.days[1]}" if self.days else ""
        return f"{plural(len(self.assignments), 'assignment')} of {plural(len(self.identifiers), 'device')}{days}"

    def sailor(self, identifier: int) -> str:
        """Return the names of all who carry the device during the event, for a message."""
        return " / ".join(dict.fromkeys(a.sailor for a in self.of(identifier) if a.sailor))


def parse_roster(data: bytes) -> Roster:
    """Parse a CSV file with its columns in any order; raises RosterError if it has no table.

    `Roster.spoilt` says why the file is probably damaged, although some of its lines can be read.
    """
    remarks: list[Mistake] = []
    mistakes: list[Mistake] = []
    try:
        sheet = read_sheet(data, REQUIRED)
        rows, spoilt = _rows(sheet, mistakes)
    except SheetError as error:
        raise RosterError(str(error)) from None
    if sheet.code_page_from is not None:
        remarks.append(Mistake(sheet.code_page_from, "not UTF-8: the file is read as Windows-1252"))
    if not rows:
        raise RosterError("the file is empty")
    columns = _columns(*rows[0], remarks)
    filled = [(row, values) for row in rows[1:] if any((values := _values(columns, row[1])).values())]
    rows, table = [row for row, _ in filled], [(line, values) for (line, _), values in filled]
    order = order_of((line, values[name]) for line, values in table for name in (FIRST_DAY, LAST_DAY))
    if order.remark:
        remarks.append(Mistake(*order.remark))
    assignments: list[Assignment] = []
    unreadable: list[Unreadable] = []
    without_device: list[Assignment] = []
    for line, values in table:
        try:
            found = [*_assignments(values, line, order)]
            assignments += found
            without_device += [] if found else _without_device(values, line)
        except ValueError as error:
            mistakes.append(Mistake(line, str(error)))
            unreadable.append(_unreadable(values, line))
    remarks += _ignored_times(table)
    remarks += _remarks(assignments)
    mistakes += _overlaps(assignments)
    mistakes += _spellings(assignments)
    return Roster(
        tuple(assignments),
        tuple(sorted(mistakes, key=lambda mistake: mistake.line)),
        tuple(sorted(remarks, key=lambda remark: remark.line)),
        tuple(unreadable),
        spoilt or _damage(len(columns), rows, len(unreadable), bool(assignments)),
        without_device=tuple(without_device),
    )


def _rows(sheet: Sheet, mistakes: list[Mistake]) -> tuple[list[Row], str]:
    """Return the rows, and why the file is damaged; raises RosterError."""
    try:
        return sheet.rows(), ""
    except BadQuotes as error:
        mistakes.append(Mistake(error.line, f"unbalanced quotes ({error}): all quotes in the file are ignored"))
        spoilt = f"a quote in the row of line {error.line} is never closed" if error.is_open else ""
    try:
        return sheet.rows(without_quotes=True), spoilt
    except BadQuotes as error:
        raise RosterError(f"line {error.line}: {error}") from None


def _columns(line: int, heading: list[str], remarks: list[Mistake]) -> list[str]:
    """Return the names of the columns, those that are known as this module spells them. Raises RosterError."""
    known = {squashed(name): name for name in (*REQUIRED, *OPTIONAL)}
    while heading and not heading[-1]:
        heading = heading[:-1]
    # Of two spellings of one name, that of this module is the column.
    columns = [name if (column := known.get(squashed(name), name)) in heading else column for name in heading]
    others = [name for name in columns if name and name not in known.values()]
    missing = [name for name in REQUIRED if name not in columns]
    meant = {name: closest(name, [*missing, *(o for o in OPTIONAL if o not in columns)], SYNONYMS) for name in others}
    if missing:
        hints = [f"{name!r} instead of {column!r}" for name, column in meant.items() if column in missing]
        hint = f" (the heading has {', '.join(hints)})" if hints else ""
        raise RosterError(f"line {line}: missing column {', '.join(map(repr, missing))}{hint}")
    twice = [name for name in known.values() if columns.count(name) > 1]
    if needed := [name for name in twice if name in REQUIRED]:
        raise RosterError(f"line {line}: duplicate column {needed[0]!r}")
    texts = [f"duplicate column {name!r}: the last one counts" for name in twice]
    texts += [
        f"column {name!r} is ignored: rename it to {column!r} if it is that one"
        for name, column in meant.items()
        if column
    ]
    remarks += [Mistake(line, text) for text in texts]
    return columns


def _values(columns: list[str], row: list[str]) -> dict[str, str]:
    """Return the cells by column; what stands outside the named columns is a note."""
    return dict.fromkeys(REQUIRED, "") | {name: cell for name, cell in zip(columns, row, strict=False) if name}


def _damage(width: int, rows: list[Row], unreadable: int, has_assignments: bool) -> str:
    """Return why a file is probably damaged, or not what was meant to be saved; "" if nothing shows it."""
    if not rows:
        return "there is no line below the heading"
    line, last = rows[-1]
    # A spreadsheet may leave out the empty cells at the end of several rows, but a cut shortens one.
    if len(last) < width and (len(rows) == 1 or len(rows[-2][1]) > len(last)):
        return f"line {line}, the last one, has only {len(last)} of {width} columns: the file seems to be cut off"
    if not has_assignments:
        return "no line names a device and can be read"
    if 2 * unreadable > len(rows):
        return f"only {len(rows) - unreadable} of {plural(len(rows), 'line')} can be read"
    return ""


def _assignments(values: Mapping[str, str], line: int, order: Order) -> Iterator[Assignment]:
    """Read one row; raises ValueError. An entrant without a device has no number, or 0 or less, and no assignment."""
    identifier = _number(values[DEVICE])
    if identifier <= 0:
        return
    first_day, last_day = (
        _cell(name, values[name], lambda text: date_of(text, order)) for name in (FIRST_DAY, LAST_DAY)
    )
    if last_day < first_day:
        raise ValueError(f"{LAST_DAY} {last_day} is before {FIRST_DAY} {first_day}")
    file_id = parse_file_id(values[FILE_ID])
    times = (_cell(name, values[name], time_of) if values.get(name) else None for name in (START_TIME, END_TIME))
    sailor = _one_line(" ".join(filter(None, (values.get("First Name"), values.get("Family Name")))))
    tally, entrant = _one_line(values.get("Tally", "")), values.get(ENTRANT, "")
    assignment = Assignment(identifier, first_day, last_day, file_id, sailor, tally, line, entrant, values, *times)
    if assignment.end <= assignment.begin:
        raise ValueError(f"{END_TIME} {values[END_TIME]} is not after {START_TIME} {values.get(START_TIME) or '00:00'}")
    yield assignment


def _without_device(values: Mapping[str, str], line: int) -> Iterator[Assignment]:
    """Read the row of an entrant without a device, whose File ID may be missing: then nobody can hand in for them."""
    with contextlib.suppress(ValueError):
        file_id = parse_file_id(values[FILE_ID])
        sailor = _one_line(" ".join(filter(None, (values.get("First Name"), values.get("Family Name")))))
        tally, entrant = _one_line(values.get("Tally", "")), values.get(ENTRANT, "")
        yield Assignment(0, datetime.date.min, datetime.date.max, file_id, sailor, tally, line, entrant, values)


def _unreadable(values: Mapping[str, str], line: int) -> Unreadable:
    try:
        identifier = _number(values[DEVICE])
    except ValueError:
        identifier = 0
    return Unreadable(line, values.get(ENTRANT, ""), values[FILE_ID], identifier)


def _number(text: str) -> int:
    """Return the number of a device, 0 if the cell is empty; raises ValueError."""
    if not text:
        return 0
    if (of_host := device_number(text.casefold())) is not None:
        return of_host
    if (match := NUMBER.fullmatch(text)) is None:
        raise ValueError(f"invalid {DEVICE} {text!r}: expected a number")
    return int(match[1])


def _cell(name: str, text: str, read: Callable[[str], T]) -> T:
    if not text:
        raise ValueError(f"{name} is empty")
    try:
        return read(text)
    except ValueError as error:
        raise ValueError(f"invalid {name} {text!r}: {error}") from None


def _one_line(value: str) -> str:
    return value.strip() if value.isprintable() else "".join(c if c.isprintable() else " " for c in value).strip()


def _ignored_times(table: list[tuple[int, dict[str, str]]]) -> Iterator[Mistake]:
    """Remark once that a time of day behind a date does not count."""
    for line, values in table:
        for date, time in ((FIRST_DAY, START_TIME), (LAST_DAY, END_TIME)):
            if (ignored := time_behind(values[date])) and not values.get(time):
                yield Mistake(line, f"the time {ignored} behind {date} is ignored: write it into a column {time!r}")
                return


def _overlaps(assignments: list[Assignment]) -> Iterator[Mistake]:
    by_device: dict[int, list[Assignment]] = {}
    for later in assignments:
        for earlier in by_device.get(later.identifier, ()):
            if earlier.overlaps(later):
                day, name = max(earlier.first_day, later.first_day), device_name(later.identifier)
                yield Mistake(later.line, f"{name} is already assigned on {day}: line {earlier.line} counts")
                break
        by_device.setdefault(later.identifier, []).append(later)


def _spellings(assignments: list[Assignment]) -> Iterator[Mistake]:
    """Report each File ID that differs from an earlier one only by case: some file systems do not tell them apart."""
    first: dict[str, Assignment] = {}
    told: set[str] = set()
    for later in assignments:
        earlier = first.setdefault(folded(later.file_id), later)
        if later.file_id not in {earlier.file_id, *told}:
            told.add(later.file_id)
            spelling = f"File ID {later.file_id!r} differs only by case from {earlier.file_id!r} in line {earlier.line}"
            yield Mistake(later.line, f"{spelling}: use one spelling for a sailor, and different ones for two")


def _remarks(assignments: list[Assignment]) -> Iterator[Mistake]:
    """Remark on each File ID, at its first line."""
    seen: set[str] = set()
    for assignment in assignments:
        if assignment.file_id not in seen and (remark := remark_on(assignment.file_id)):
            seen.add(assignment.file_id)
            yield Mistake(assignment.line, remark)
