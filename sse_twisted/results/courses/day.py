"""The results of a day, from the runs of its tracks, the roster and the decisions. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from sse_twisted.config.assignment import Assignment
from sse_twisted.config.courses import Course, Line
from sse_twisted.config.event_json import EventFacts
from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.results.courses.buoys import Buoy
from sse_twisted.results.courses.decisions import Decided, Decision, by_track, decide
from sse_twisted.results.courses.gpsdata import Row, published_end, row_of
from sse_twisted.results.courses.line_check import Effect, effects, warnings
from sse_twisted.results.courses.ranking import Entrant, Scored, Standing, rank
from sse_twisted.results.courses.track_runs import TrackRuns
from sse_twisted.runtime.text import plural


class Placing(Struct, frozen=True):
    """A course of the day with its line, if it has one, and what is to be said about that."""

    course: Course
    line: Line | None = None
    buoys: tuple[Buoy, ...] = ()
    remarks: tuple[str, ...] = ()


class SailedTrack(Struct, frozen=True):
    """The passages of a track on a course, with what was decided about them."""

    track: str
    entrant: str
    passages: tuple[Decided, ...]
    rate: int = 0  # Hz


class CourseResults(Struct, frozen=True):
    """All that is known of a course on a day."""

    placing: Placing
    tracks: tuple[SailedTrack, ...]
    scored: tuple[Scored, ...]
    rows: tuple[Row, ...]  # of the results file
    remarks: tuple[str, ...]
    effects: tuple[Effect, ...]  # of a longer line
    lacks_tracks: bool = False  # a file cannot be read, or is no track


class DayResults(Struct, frozen=True):
    """The results of all courses of a day."""

    day: dt.date
    facts: EventFacts
    courses: Mapping[str, CourseResults]
    entrants: Mapping[str, Entrant]

    @property
    def files(self) -> dict[str, tuple[Row, ...]]:
        """The rows of each results file: those of the courses with hours, as soon as there is a run."""
        return {name: each.rows for name, each in self.courses.items() if each.placing.course.has_times and each.rows}

    def ranking(self, course: str = "", columns: Mapping[str, str] | None = None) -> tuple[Standing, ...]:
        """Rank the runs of one course, or of all, of the entrants with these cells of the roster, or of all."""
        scored = [run for name, each in self.courses.items() if course in ("", name) for run in each.scored]
        if columns:
            scored = [run for run in scored if self._has(run.entrant, columns)]
        return rank(scored, self.entrants, self.facts.decimals)

    def _has(self, entrant: str, columns: Mapping[str, str]) -> bool:
        known = self.entrants.get(entrant)
        return known is not None and all(known.columns.get(name) == cell for name, cell in columns.items())


def results_of(
    day: dt.date,
    midnight: float,
    placings: Iterable[Placing],
    tracks: Mapping[str, TrackRuns],
    assignments: Iterable[Assignment],
    decisions: Iterable[Decision],
    facts: EventFacts,
) -> DayResults:
    """Return the results of a day; `tracks` by name, `midnight` the local one in s since 1970.

    Tracks of the devices on buoys are left out. An unassigned track has no entrant, and so no place anywhere.
    """
    placings, about = tuple(placings), by_track(decisions)
    buoys = {number for placing in placings for number in placing.course.buoys}
    owners = _Owners(day, assignments)
    sailed = {name: runs for name, runs in tracks.items() if (found := number_of(name)) is None or found not in buoys}
    entrants = {owner.key: owner for name in sailed if (owner := owners.of(name)) is not None}
    courses = {
        placing.course.name: _course(placing, sailed, owners, about, day, midnight, facts) for placing in placings
    }
    return DayResults(day, facts, courses, entrants)


def _course(
    placing: Placing,
    tracks: Mapping[str, TrackRuns],
    owners: _Owners,
    decisions: Mapping[str, tuple[Decision, ...]],
    day: dt.date,
    midnight: float,
    facts: EventFacts,
) -> CourseResults:
    name = placing.course.name
    sailed, scored, rows, checks, unreadable, left_out = [], [], [], [], [], 0
    for track, runs in sorted(tracks.items()):
        owner = owners.of(track)
        if owner is None:
            continue
        if runs.trouble:
            unreadable.append(f"{track} cannot be read: {runs.trouble}")
        if runs.defect:
            unreadable.append(f"{track} has no runs: {runs.defect}")
        decided = decide(runs.passages.get(name, ()), decisions.get(track, ()), day, name, track)
        sailed.append(SailedTrack(track, owner.key, decided, runs.rate))
        left_out += runs.left_out
        if name in runs.checks:
            checks.append(replace(runs.checks[name], entrant=owner.key))
        for each in decided:
            if each.counts and each.passage.run is not None:
                row = row_of(track, each.passage.run, runs.rate, midnight + 60 * facts.zone)
                rows.append(row)
                scored.append(
                    Scored(owner.key, name, track, published_end(each.passage.run, runs.rate), row.knots, row.course)
                )
    remarks = [*placing.remarks, *unreadable]
    if placing.line is not None:
        remarks += warnings(placing.course, placing.line, checks)
    if left_out:
        remarks.append(f"{plural(left_out, 'passage')} of the line not examined: a track crosses it too often")
    changes = effects(checks) if placing.line is not None else ()
    return CourseResults(
        placing, tuple(sailed), tuple(scored), tuple(sorted(rows)), tuple(remarks), changes, bool(unreadable)
    )


def number_of(track: str) -> int | None:
    """Return the number of the device in the name of a track; None if it has none."""
    name = TrackName.parse(track)
    digits = name.prefix.rpartition("-" if name.is_unassigned else "_")[2] if name else ""
    return int(digits) if digits.isascii() and digits.isdigit() else None


class _Owners:
    """Finds the entrant of a track by the File ID at the beginning of its name."""

    def __init__(self, day: dt.date, assignments: Iterable[Assignment]) -> None:
        self._by_file_id: dict[str, Entrant] = {}
        for assignment in sorted(assignments, key=lambda each: not each.covers(day)):
            key = assignment.entrant or assignment.file_id
            self._by_file_id.setdefault(assignment.file_id, Entrant(key, assignment.sailor, assignment.columns))

    def of(self, track: str) -> Entrant | None:
        """Return the entrant; None for an unassigned track. A File ID that is not on the roster is its own entrant."""
        name = TrackName.parse(track)
        if name is None or name.is_unassigned:
            return None
        file_id = name.prefix.rpartition("_")[0]
        return self._by_file_id.get(file_id) or Entrant(file_id, "", {})
