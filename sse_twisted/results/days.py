"""The reconciliation of a day: what became of everybody who had a device. Pure; the ledgers are read elsewhere."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from sse_twisted.event_folder.ledger import Entries, Status, is_of_day
from sse_twisted.fleet import Device, Stage
from sse_twisted.reports import TrackReport, entry_report
from sse_twisted.results.ranking import Sailed, figures_of
from sse_twisted.results.short_tracks import Recorded, short_tracks
from sse_twisted.roster import Assignment
from sse_twisted.settings import Expected


class State(StrEnum):
    """What became of an assignment on one day."""

    COLLECTED = "collected"
    SHORT = "short"  # collected, and much less than the others have: see `short_tracks`
    MISSING = "missing"  # the device was here, and tracks of the day are not
    LEFT_EARLY = "left early"  # it has gone with them
    NEVER_SEEN = "never seen"


class Line(Struct, frozen=True):
    """One assignment on one day."""

    id: Annotated[int, Meta(description="of the device")]
    sailor: str
    tally: str
    file_id: str
    state: State
    tracks: Annotated[tuple[str, ...], Meta(description="of the day that are here")]
    missing: Annotated[tuple[str, ...], Meta(description="of the day that are known and not here")]
    hours: Annotated[float, Meta(description="of those that are here")]
    km: Annotated[float, Meta(description="of those that are here")]
    knots: Annotated[float, Meta(description="best over 500 m, as the device reports it")]
    remark: str


class Day(Struct, frozen=True):
    """A whole day."""

    day: datetime.date
    lines: tuple[Line, ...]
    unassigned: Annotated[tuple[str, ...], Meta(description="tracks of the day that belong to nobody")]

    def count(self, state: State) -> int:
        """How many assignments ended so."""
        return sum(line.state is state for line in self.lines)


def reconcile(
    day: datetime.date,
    assignments: Iterable[Assignment],
    ledgers: Mapping[int, Entries],
    seen: frozenset[int],
    devices: Mapping[int, Device],
    expected: Expected,
) -> Day:
    """What became of everybody on that day.

    `seen` are the devices that answered on that day or later, `devices` what is known now if the day is today.
    """
    of_day = {identifier: entries_of(day, entries) for identifier, entries in ledgers.items()}
    reports = {
        identifier: [entry_report(identifier, name, entry) for name, entry in entries]
        for identifier, entries in of_day.items()
    }
    short = short_tracks({identifier: _recorded(entries) for identifier, entries in of_day.items()}, expected)
    lines = []
    for number, assignment in sorted(_carriers(day, assignments).items()):
        mine = [report for report in reports.get(number, ()) if not _is_unassigned(report)]
        lines.append(_line(assignment, mine, number in seen, short.get(number), devices.get(number)))
    unassigned = sorted(report.name for mine in reports.values() for report in mine if _is_unassigned(report))
    return Day(day, tuple(lines), tuple(unassigned))


def _line(
    assignment: Assignment, reports: list[TrackReport], seen: bool, short: str | None, device: Device | None
) -> Line:
    here = [report for report in reports if report.status == Status.COMPLETED]
    missing = tuple(report.name for report in reports if report.status in (Status.QUEUED, Status.FAILED))
    state, remark = _judge(seen, bool(here), missing, short, device)
    return Line(
        id=assignment.identifier,
        sailor=assignment.sailor,
        tally=assignment.tally,
        file_id=assignment.file_id,
        state=state,
        tracks=tuple(report.name for report in here),
        missing=missing,
        hours=sum(report.hours for report in here),
        km=sum(report.kilometres for report in here),
        knots=max((report.knots for report in here), default=0.0),
        remark=remark or "; ".join(report.remark for report in here if report.remark),
    )


def sailed_on(
    day: datetime.date,
    assignments: Iterable[Assignment],
    ledgers: Mapping[int, Entries],
    results: Mapping[int, Entries],
) -> list[Sailed]:
    """The tracks of the day that are here; `results` are those of `tracks.json`, by device and track."""
    return [
        Sailed(
            number,
            assignment.sailor,
            assignment.file_id,
            name,
            figures_of(entry, results.get(number, {}).get(name)),
        )
        for number, assignment in _carriers(day, assignments).items()
        for name, entry in entries_of(day, ledgers.get(number, {}))
        if entry.get("status") == Status.COMPLETED and not _is_unassigned(entry_report(number, name, entry))
    ]


def entries_of(day: datetime.date, entries: Entries) -> list[tuple[str, Mapping[str, Any]]]:
    """The tracks of a day, by the date in their names."""
    return [(name, entry) for name, entry in sorted(entries.items()) if is_of_day(name, day)]


def day_as_csv(day: Day) -> bytes:
    """A table for spreadsheets, with the mark that tells them that it is UTF-8."""
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    heading = ("Day", "Motion ID", "Sailor", "Tally", "File ID", "State", "Tracks", "Missing")
    writer.writerow((*heading, "Hours", "km", "Knots (500m)", "Remark"))
    for line in day.lines:
        texts = (line.sailor, line.tally, line.file_id, line.state, " ".join(line.tracks), " ".join(line.missing))
        figures = (f"{line.hours:.2f}", f"{line.km:.2f}", f"{line.knots:.2f}")
        writer.writerow((day.day, line.id, *map(_harmless, texts), *figures, _harmless(line.remark)))
    return table.getvalue().encode("utf-8-sig")


def _harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


def _carriers(day: datetime.date, assignments: Iterable[Assignment]) -> dict[int, Assignment]:
    """Who had each device on that day: the first on the roster counts."""
    carriers: dict[int, Assignment] = {}
    for assignment in assignments:
        if assignment.covers(day):
            carriers.setdefault(assignment.identifier, assignment)
    return carriers


def _judge(
    seen: bool, here: bool, missing: tuple[str, ...], short: str | None, device: Device | None
) -> tuple[State, str]:
    if device is not None and device.left_early:
        return State.LEFT_EARLY, device.left_early
    if device is not None and device.waived:
        return State.MISSING, f"waived: {device.waived}"
    if device is not None and device.present and device.stage is not Stage.COLLECTED:
        return State.MISSING, device.reason or "it is here, and not done yet"
    if missing:
        return State.MISSING, f"{len(missing)} known and not here"
    if here:
        return (State.SHORT, short) if short else (State.COLLECTED, "")
    if seen or (device is not None and device.stage is not Stage.ABSENT):
        return State.MISSING, "it was here, and has no track of this day"
    return State.NEVER_SEEN, ""


def _recorded(entries: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Recorded]:
    """What the board compares, too: all that is wanted, whether it is here or not."""
    reports = ((entry_report(0, name, entry), entry) for name, entry in entries)
    return [
        Recorded(report.name, report.hours, report.kilometres, entry.get("end_date") != 0)
        for report, entry in reports
        if report.status != Status.SKIPPED
    ]


def _is_unassigned(report: TrackReport) -> bool:
    return report.name.startswith("motion-")
