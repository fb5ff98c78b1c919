"""The reconciliation of a day: the outcome of each assignment. Pure; `control.records` reads the ledgers."""

from __future__ import annotations

import csv
import datetime
import io
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from sse_twisted.config.roster import Assignment, sharers_on
from sse_twisted.config.settings import Expected
from sse_twisted.event_folder.ledger import Entries, Status
from sse_twisted.event_folder.track_name import TrackName, day_of
from sse_twisted.event_folder.track_report import TrackReport, entry_report
from sse_twisted.event_folder.verification import Outcome
from sse_twisted.fleet import MAX_NAMES, Device, Stage
from sse_twisted.results.ranking import Sailed, figures_of
from sse_twisted.results.short_tracks import Recorded, short_tracks, total_of
from sse_twisted.runtime.spreadsheet import without_formulas
from sse_twisted.runtime.text import plural

MAX_DAYS = 100  # that are counted


class State(StrEnum):
    """The outcome of an assignment on a day, the worst first."""

    LEFT_EARLY = "left early"  # the device left before its tracks were stored
    MISSING = "missing"  # the device listed tracks of the day that are not stored
    EXPECTED = "expected"  # it may still bring a track of the day, which is not over
    SHORT = "short"  # collected, but much shorter than the tracks of others; see `short_tracks`
    BACKUP = "collected (backup)"  # what the sailor has handed in counts; see `backups.py`
    COLLECTED = "collected"
    NOT_EXPECTED = "not expected"  # an operator has said that it would not come
    WAIVED = "waived"  # an operator accepts that tracks are missing
    NO_TRACK = "no track"  # the day is over, and no track of it is known


OPEN = (State.LEFT_EARLY, State.MISSING, State.EXPECTED)  # something may still come


MAX_REMARKS = 10  # on the stored tracks of a line
MAX_UNASSIGNED = 500  # tracks of a day that are named


class BackupTrack(Struct, frozen=True):
    """A track of another device that a sailor has handed in."""

    key: Annotated[str, Meta(description="of the hand-in")]
    track: str
    counts: Annotated[bool, Meta(description="whether it counts instead of the event's device")]
    decided: Annotated[bool, Meta(description="whether somebody has decided that, and not the rule")]
    hours: float
    km: float
    knots: Annotated[float, Meta(description="best speed over 500 m by the fixes")]
    kind: Annotated[str, Meta(description="format")]
    doppler: Annotated[bool, Meta(description="speeds were measured by the receiver, not made from positions")]
    evidence: Annotated[str, Meta(description="proven, consistent, as handed in")]


class Line(Struct, frozen=True):
    """The outcome of an assignment on a day, with its tracks."""

    id: Annotated[int, Meta(description="number of the device")]
    sailor: str
    tally: str
    file_id: str
    state: State
    tracks: Annotated[tuple[str, ...], Meta(description="stored tracks of the day")]
    missing: Annotated[tuple[str, ...], Meta(description="known tracks of the day that are not stored")]
    hours: Annotated[float, Meta(description="total of the stored tracks")]
    km: Annotated[float, Meta(description="total of the stored tracks")]
    knots: Annotated[float, Meta(description="best speed over 500 m, from the device's listing")]
    measured: Annotated[bool, Meta(description="whether figures come from the fixes of an unfinalised track")]
    remark: str
    more_tracks: Annotated[int, Meta(description="stored tracks that are not in `tracks`")] = 0
    more_missing: Annotated[int, Meta(description="missing tracks that are not in `missing`")] = 0
    damaged: Annotated[bool, Meta(description="whether a stored track is damaged")] = False
    backups: Annotated[tuple[BackupTrack, ...], Meta(description="handed-in tracks of the sailor")] = ()


class DayCount(Struct, frozen=True):
    """The number of assignments by outcome on a day."""

    day: datetime.date
    expected: Annotated[int, Meta(description="assigned devices")]
    collected: int
    short: Annotated[int, Meta(description="collected, but much shorter than the tracks of others")]
    missing: Annotated[int, Meta(description="devices that listed tracks which are not stored")]
    left_early: int
    waived: Annotated[int, Meta(description="devices whose missing tracks an operator has waived")]
    no_track: Annotated[int, Meta(description="devices without a known track, once the day is over")]
    unassigned: Annotated[int, Meta(description="number of unassigned tracks")]
    backup: Annotated[int, Meta(description="sailors of whom a handed-in track counts")] = 0
    still_expected: Annotated[int, Meta(description="devices that may still bring a track; 0 for a future day")] = 0

    @property
    def is_telling(self) -> bool:
        """Whether there is more to tell than that no track is known."""
        return any(
            (self.collected, self.backup, self.short, self.missing, self.left_early, self.waived, self.unassigned)
        )


class Day(Struct, frozen=True):
    """The outcomes of a day."""

    day: datetime.date
    lines: tuple[Line, ...]
    unassigned: Annotated[tuple[str, ...], Meta(description="unassigned tracks of the day, the first 500")]
    more_unassigned: Annotated[int, Meta(description="unassigned tracks that are not named")] = 0
    buoys: Annotated[tuple[Line, ...], Meta(description="devices that mark the line of a course; not in `lines`")] = ()

    def count(self, state: State) -> int:
        return sum(line.state is state for line in self.lines)

    def worst_first(self, *, only_open: bool = False) -> list[Line]:
        """Return the lines by state, or those only of which something may still come."""
        order = list(State)
        lines = (line for line in self.lines if line.state in OPEN or not only_open)
        return sorted(lines, key=lambda line: (order.index(line.state), line.id))


def reconcile(
    day: datetime.date,
    assignments: Iterable[Assignment],
    ledgers: Mapping[int, Entries],
    results: Mapping[int, Entries],
    met: Mapping[int, float],
    devices: Mapping[int, Device],
    expected: Expected,
    excused: Mapping[int, str] = MappingProxyType({}),
    *,
    today: datetime.date,
    buoys: Collection[int] = (),
) -> Day:
    """Return the outcome of each assignment on a day.

    `results` are the reports in `tracks.json` by device and track, `met` the times of the devices' last responses in s
    since 1970, `devices` the snapshots that count for the day, `excused` why devices are not expected, and `buoys` the
    devices that mark the line of a course.
    """
    reports: dict[int, list[TrackReport]] = {}
    recorded: dict[int, list[Recorded]] = {}
    for number, entries in ledgers.items():
        reports[number], recorded[number] = [], []
        for name, entry in _entries_of(day, entries):
            report = entry_report(number, name, entry, results.get(number, {}).get(name))
            reports[number].append(report)
            if report.status != Status.SKIPPED:
                is_known = report.measured or entry.get("end_date") != 0
                recorded[number].append(Recorded(name, report.hours, report.kilometres, is_known))
    totals = {number: total_of(mine) for number, mine in recorded.items() if number not in buoys}
    short = short_tracks(totals, expected)
    begin = datetime.datetime.combine(day, datetime.time(), datetime.UTC).timestamp() - 60 * expected.timezone
    lines = []
    for number, sharers in sorted(sharers_on(day, assignments).items()):
        assigned = [report for report in reports.get(number, ()) if not _is_unassigned(report.name)]
        seen = met.get(number, -math.inf) >= begin
        for assignment in sharers:
            mine = [report for report in assigned if len(sharers) == 1 or _is_of(assignment, report.name)]
            device = devices.get(number)
            line = _line(assignment, mine, seen, short.get(number), device, is_over=day < today)
            lines.append(_as_excused(line, excused.get(number, ""), device))
    unassigned = sorted(report.name for mine in reports.values() for report in mine if _is_unassigned(report.name))
    return Day(
        day=day,
        lines=tuple(line for line in lines if line.id not in buoys),
        unassigned=tuple(unassigned[:MAX_UNASSIGNED]),
        more_unassigned=max(len(unassigned) - MAX_UNASSIGNED, 0),
        buoys=tuple(line for line in lines if line.id in buoys),
    )


def _line(
    assignment: Assignment,
    reports: list[TrackReport],
    seen: bool,
    short: str | None,
    device: Device | None,
    *,
    is_over: bool,
) -> Line:
    stored = [report for report in reports if report.status == Status.COMPLETED]
    lacking = [report for report in reports if report.status in (Status.QUEUED, Status.FAILED)]
    missing = tuple(report.name for report in lacking)
    state, remark = _judge_device(missing, device) or _judge_tracks(
        bool(stored), lacking, short, seen, device, is_over=is_over
    )
    return Line(
        id=assignment.identifier,
        sailor=assignment.sailor,
        tally=assignment.tally,
        file_id=assignment.file_id,
        state=state,
        tracks=tuple(report.name for report in stored[-MAX_NAMES:]),
        missing=missing[-MAX_NAMES:],
        more_tracks=max(len(stored) - MAX_NAMES, 0),
        more_missing=max(len(missing) - MAX_NAMES, 0),
        hours=sum(report.hours for report in stored),
        km=sum(report.kilometres for report in stored),
        knots=max((report.knots for report in stored), default=0.0),
        measured=any(report.measured for report in stored),
        damaged=any(report.outcome == Outcome.DAMAGED for report in stored),
        remark=remark or _remarks([report.remark for report in stored if report.remark]),
    )


def _remarks(remarks: list[str]) -> str:
    more = (f"and {len(remarks) - MAX_REMARKS:,} more remarks",) if len(remarks) > MAX_REMARKS else ()
    return "; ".join((*remarks[:MAX_REMARKS], *more))


def _names(names: tuple[str, ...], more: int) -> str:
    return " ".join(names) + (f" and {more} more" if more else "")


def _as_excused(line: Line, why: str, device: Device | None) -> Line:
    """Return the line, as not expected if that was said and no track came. It may be seen on a later day."""
    is_here = device is not None and (device.present or device.oddity)
    is_absent = line.state in (State.EXPECTED, State.NO_TRACK) and not line.tracks and not line.missing
    if not why or is_here or not is_absent:
        return line
    return structs.replace(line, state=State.NOT_EXPECTED, remark=why)


def count_days(
    today: datetime.date,
    assignments: tuple[Assignment, ...],
    ledgers: Mapping[int, Entries],
    results: Mapping[int, Entries],
    met: Mapping[int, float],
    known: Mapping[datetime.date, Mapping[int, Device]],
    expected: Expected,
    excused: Mapping[datetime.date, Mapping[int, str]] = MappingProxyType({}),
    buoys: Mapping[datetime.date, Collection[int]] = MappingProxyType({}),
    complete: Callable[[Day], Day] = lambda day: day,
    more_days: Collection[datetime.date] = (),
) -> tuple[DayCount, ...]:
    """Count the outcomes of each day with an assignment or a stored track, the latest first.

    At most MAX_DAYS are counted: today and those with a track first, then those closest to `today`. `known` are the
    snapshots that count for each day, `complete` adds to a day what was handed in, and `more_days` have nothing else.
    The other arguments are those of `reconcile`.
    """
    by_day: dict[datetime.date, dict[int, dict[str, Mapping[str, Any]]]] = {}
    with_tracks = set(more_days)
    for identifier, entries in ledgers.items():
        for name, entry in entries.items():
            if (day := day_of(name)) is not None:
                by_day.setdefault(day, {}).setdefault(identifier, {})[name] = entry
                if entry.get("status") == Status.COMPLETED:
                    with_tracks.add(day)
    days = _days_on_roster(assignments, today) | with_tracks
    closest = sorted(days, key=lambda day: (day not in with_tracks | {today}, abs(day - today), day))[:MAX_DAYS]
    return tuple(
        _count(
            complete(
                reconcile(
                    day,
                    assignments,
                    mine,
                    results,
                    met,
                    known.get(day, {}),
                    expected,
                    excused.get(day, {}),
                    today=today,
                    buoys=buoys.get(day, ()),
                )
            ),
            today,
        )
        for day in sorted(closest, reverse=True)
        for mine in [by_day.get(day, {})]
    )


def _days_on_roster(assignments: Iterable[Assignment], today: datetime.date) -> set[datetime.date]:
    """Return the days of each assignment that are closest to today: its last day may be in 2099."""
    days: set[datetime.date] = set()
    for first, last in {(each.first_day.toordinal(), each.last_day.toordinal()) for each in assignments}:
        nearest = min(max(today.toordinal(), first), last)
        numbers = range(max(first, nearest - MAX_DAYS), min(last, nearest + MAX_DAYS) + 1)
        days.update(map(datetime.date.fromordinal, numbers))
    return days


def _count(day: Day, today: datetime.date) -> DayCount:
    return DayCount(
        day=day.day,
        expected=len(day.lines) - day.count(State.NOT_EXPECTED),
        collected=day.count(State.COLLECTED),
        backup=day.count(State.BACKUP),
        short=day.count(State.SHORT),
        missing=day.count(State.MISSING),
        left_early=day.count(State.LEFT_EARLY),
        waived=day.count(State.WAIVED),
        no_track=day.count(State.NO_TRACK),
        unassigned=len(day.unassigned) + day.more_unassigned,
        still_expected=day.count(State.EXPECTED) if day.day <= today else 0,
    )


def sailed_on(
    day: datetime.date,
    assignments: Iterable[Assignment],
    ledgers: Mapping[int, Entries],
    results: Mapping[int, Entries],
    buoys: Collection[int] = (),
) -> list[Sailed]:
    """Return the stored tracks of the sailors on a day; `results` and `buoys` are those of `reconcile`."""
    return [
        Sailed(number, carrier.sailor, carrier.file_id, name, figures_of(entry, results.get(number, {}).get(name)))
        for number, sharers in sharers_on(day, assignments).items()
        for carrier in sharers
        for name, entry in _entries_of(day, ledgers.get(number, {}))
        if number not in buoys
        and (len(sharers) == 1 or _is_of(carrier, name))
        and entry.get("status") == Status.COMPLETED
        and not _is_unassigned(name)
    ]


def _entries_of(day: datetime.date, entries: Entries) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, entry) for name, entry in sorted(entries.items()) if day_of(name) == day]


def day_as_csv(day: Day) -> bytes:
    """Return a table for spreadsheets: CSV in UTF-8, with a byte order mark to tell them so."""
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    heading = ("Day", "Motion ID", "Sailor", "Tally", "File ID", "State", "Tracks", "Missing")
    writer.writerow((*heading, "Hours", "km", "Knots (500m)", "Remark", "Measured", "Handed in"))
    for line in day.lines:
        tracks, missing = _names(line.tracks, line.more_tracks), _names(line.missing, line.more_missing)
        texts = map(without_formulas, (line.sailor, line.tally, line.file_id, line.state, tracks, missing))
        figures = (f"{line.hours:.2f}", f"{line.km:.2f}", f"{line.knots:.2f}")
        measured = "yes" if line.measured else ""
        handed_in = without_formulas(" ".join(backup.track for backup in line.backups))
        writer.writerow((day.day, line.id, *texts, *figures, without_formulas(line.remark), measured, handed_in))
    return table.getvalue().encode("utf-8-sig")


def _judge_device(missing: tuple[str, ...], device: Device | None) -> tuple[State, str] | None:
    """Judge by the snapshot that counts for the day; None if the tracks decide."""
    if device is None:
        return None
    if device.left_early and not device.present:
        return State.LEFT_EARLY, device.left_early
    is_missing = State.MISSING if missing or device.missing else State.EXPECTED
    if device.oddity:
        return is_missing, f"it is on but not responding correctly: {device.oddity}"
    if device.waived and device.stage is Stage.GONE:
        return State.WAIVED, device.waived
    if device.present and device.stage is not Stage.COLLECTED:
        return is_missing, device.reason or "in progress"
    return None


def _judge_tracks(
    stored: bool, missing: list[TrackReport], short: str | None, seen: bool, device: Device | None, *, is_over: bool
) -> tuple[State, str]:
    """Judge by what is stored, and by what the ledger notes."""
    if missing:
        return State.MISSING, f"{plural(len(missing), 'known track')} missing{_no_longer_listed(missing)}"
    if stored:
        return (State.SHORT, short) if short else (State.COLLECTED, "")
    if device is not None and device.present:  # as on the board, as long as it is here
        return State.COLLECTED, "it has no track of this day"
    was_here = seen or (device is not None and device.stage is not Stage.ABSENT)
    remark = f"it was {'here' if device else 'seen later'}, but has no track of this day" if was_here else ""
    return State.NO_TRACK if is_over else State.EXPECTED, remark


def _no_longer_listed(missing: list[TrackReport]) -> str:
    """Tell of which missing tracks there is no use in waking the device again."""
    unlisted = sum(report.unlisted for report in missing)
    if unlisted == len(missing):
        return f": the device no longer lists {'it' if unlisted == 1 else 'them'}, ask its sailor"
    return f": the device no longer lists {unlisted} of them" if unlisted else ""


def _is_of(assignment: Assignment, name: str) -> bool:
    """Whether a track is of one of several who share its device on its day."""
    return name.rpartition(f"_{assignment.identifier}_")[0] == assignment.file_id


def _is_unassigned(name: str) -> bool:
    parsed = TrackName.parse(name)
    return parsed is not None and parsed.is_unassigned
