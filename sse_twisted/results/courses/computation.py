"""Computes the results of a day from the files of an event folder. Blocks; for a thread or a program of its own."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from attrs import define, field
from msgspec import Struct
from msgspec.structs import replace

from sse_twisted import __version__
from sse_twisted.config.assignment import Assignment
from sse_twisted.config.courses import HOURS, BuoyLine, Course, Courses, Finish, Line
from sse_twisted.config.event_json import EventFacts
from sse_twisted.results.backups import Counting
from sse_twisted.results.courses.buoys import Buoy, buoy_of, line_between, swing_warning
from sse_twisted.results.courses.course_files import (
    SESSIONS,
    Stamp,
    TrackFile,
    days_with_courses,
    read_all_decisions,
    read_courses,
    read_facts,
    read_track,
    stamp_of,
    stamps_of_results,
    tracks_of,
)
from sse_twisted.results.courses.day import DayResults, Placing, number_of, results_of
from sse_twisted.results.courses.decisions import PATH, Decisions, changes_of
from sse_twisted.results.courses.gpsdata import clock, write_rows
from sse_twisted.results.courses.output import Written, write_day
from sse_twisted.results.courses.track_runs import PlacedCourse, TrackRuns, track_runs
from sse_twisted.tracks.formats import decode


class Job(Struct, frozen=True):
    """A track whose runs are to be computed."""

    root: Path
    file: TrackFile
    courses: tuple[PlacedCourse, ...]


def do_job(job: Job) -> TrackRuns:
    """Compute the runs of a track; those of an unreadable file have the trouble. Picklable, for another process."""
    try:
        data = read_track(job.root / job.file.local_file)
    except OSError as error:
        return TrackRuns(0, {}, {}, trouble=error.strerror or str(error))
    return track_runs(data, job.file.name, job.file.name, job.courses)


def in_turn(jobs: Sequence[Job]) -> Iterator[TrackRuns]:
    """Do one job after the other, here."""
    return map(do_job, jobs)


class Sources(Struct, frozen=True):
    """What the results of a day are made of, but for the fixes of its tracks."""

    day: dt.date
    zone: dt.tzinfo
    decisions: Decisions  # of all days
    courses: Courses
    facts: EventFacts
    files: tuple[TrackFile, ...]
    counting: Counting = msgspec.field(default_factory=Counting)

    @property
    def midnight(self) -> float:
        """The local one with which the day begins, in s since 1970."""
        return dt.datetime.combine(self.day, dt.time(), self.zone).timestamp()

    @property
    def buoys(self) -> frozenset[int]:
        """The numbers of the devices that mark a line."""
        return frozenset(number for course in self.courses.courses.values() for number in course.buoys)


class Plan(Struct, frozen=True):
    """The courses of a day with their lines, and the jobs whose outcomes its results need."""

    sources: Sources
    placings: tuple[Placing, ...]
    jobs: tuple[Job, ...]


def _lacks_hours(day: dt.date, course: Course) -> Iterator[str]:
    """Yield what to write where hours were decided that the results software does not know."""
    if course.opens is None or course.closes is None or course.is_in_file:
        return
    hours = dict(zip(HOURS, map(clock, (course.opens, course.closes)), strict=True))
    yield (
        f"{course.name}: no results file: its hours were decided, and the results software stops at a course without "
        f"hours in {SESSIONS}/{day:%Y%m%d}/courses.json. Write there {json.dumps({course.name: hours})}"
    )


@define
class Computation:
    """Computes days; a track is computed again only when it or its courses have changed."""

    root: Path
    zone: dt.tzinfo
    do: Callable[[Sequence[Job]], Iterable[TrackRuns]] = in_turn
    counting: Callable[[dt.date], Counting] = lambda _: Counting()
    guard: Callable[[], None] = lambda: None  # raises OSError while the folder is away
    _done: dict[Job, TrackRuns] = field(factory=dict, init=False)
    _buoys: dict[tuple[object, ...], Buoy | None] = field(factory=dict, init=False)
    _decided: tuple[Stamp, Decisions] | None = field(default=None, init=False)

    def decisions(self) -> Decisions:
        """Return the decisions of all days; the file is read when it has changed. Raises OSError."""
        stamp = stamp_of(self.root / PATH)
        if self._decided is None or self._decided[0] != stamp:
            self._decided = stamp, read_all_decisions(self.root)
        return self._decided[1]

    def days(self) -> list[dt.date]:
        """Return the days with a file of courses, or a course that was decided, in order. Raises OSError."""
        return sorted({*days_with_courses(self.root), *self.decisions().days})

    def sources(self, day: dt.date) -> Sources:
        """Read what the results of a day are made of. Raises OSError."""
        self.guard()
        decisions = self.decisions()
        courses = read_courses(self.root, day, changes_of(decisions.in_force, day), self.guard)
        files = tuple(tracks_of(self.root, day))
        return Sources(day, self.zone, decisions, courses, read_facts(self.root, self.guard), files, self.counting(day))

    def fingerprint(self, sources: Sources, assignments: Sequence[Assignment]) -> str:
        """Return what changes if the results of a day may, or their files."""
        made_of = (
            sources.courses,
            sources.decisions.state(sources.day),
            sources.facts,
            sources.files,
            sources.counting,
            sources.midnight,
            assignments,
            stamps_of_results(self.root, sources.day),
            __version__,
        )
        return hashlib.sha256(repr(made_of).encode()).hexdigest()

    def missing(self, plan: Plan) -> list[Job]:
        """Return the jobs that are to be done before the results of a day are complete."""
        return [job for job in plan.jobs if job not in self._done]

    def keep(self, job: Job, runs: TrackRuns) -> None:
        """Take the outcome of a job that was done elsewhere; a file that could not be read is tried again."""
        if not runs.trouble:
            self._done[job] = runs

    def day(self, day: dt.date, assignments: Iterable[Assignment]) -> tuple[DayResults, Courses]:
        """Return the results of a day, and the courses with what is wrong with their file. Raises OSError."""
        sources = self.sources(day)
        return self.results(self.plan(sources), assignments), sources.courses

    def results(self, plan: Plan, assignments: Iterable[Assignment]) -> DayResults:
        """Return the results of a day; jobs that are missing are done first."""
        sources = plan.sources
        runs = self._all_runs(plan.jobs, sources.day)
        decisions = sources.decisions.in_force
        return results_of(sources.day, sources.midnight, plan.placings, runs, assignments, decisions, sources.facts)

    def plan(self, sources: Sources) -> Plan:
        """Place the courses of a day; reads the tracks of buoys."""
        midnight, files = sources.midnight, sources.files
        placings = tuple(
            replace(placing, remarks=(*placing.remarks, *_lacks_hours(sources.day, placing.course)))
            for placing in (self._placing(course, files, midnight) for course in sources.courses.courses.values())
        )
        placed = tuple(
            PlacedCourse(placing.course, placing.line, midnight)
            for placing in placings
            if placing.line is not None or placing.course.finish is Finish.ANYWHERE
        )
        buoys, counts = sources.buoys, sources.counting.counts
        sailed = (file for file in files if number_of(file.name) not in buoys and counts(file.name))
        jobs = tuple(Job(self.root, file, placed) for file in sailed if placed)
        return Plan(sources, placings, jobs)

    def write(self, results: DayResults) -> dict[str, Written]:
        """Write the results files of a day. Raises OSError."""
        return write_day(self.root, results.day, {name: write_rows(rows) for name, rows in results.files.items()})

    def _all_runs(self, jobs: Sequence[Job], day: dt.date) -> dict[str, TrackRuns]:
        missing = [job for job in jobs if job not in self._done]
        new = dict(zip(missing, self.do(missing), strict=True))
        for job, runs in new.items():
            self.keep(job, runs)
        folder, wanted = f"gpslogs/{day:%Y%m%d}/", set(jobs)
        for job in [job for job in self._done if job.file.local_file.startswith(folder) and job not in wanted]:
            del self._done[job]
        return {job.file.name: new.get(job) or self._done[job] for job in jobs}

    def _placing(self, course: Course, files: Sequence[TrackFile], midnight: float) -> Placing:
        if course.finish is Finish.ANYWHERE:
            return Placing(course)
        if course.start is None:
            text = "no line: add Start Line or Start Buoys, and Direction, to courses.json"
            return Placing(course, remarks=(f"{course.name}: {text}",))
        if isinstance(course.start, Line):
            return Placing(course, course.start)
        return self._placed_by_buoys(course, course.start, files, midnight)

    def _placed_by_buoys(self, course: Course, start: BuoyLine, files: Sequence[TrackFile], midnight: float) -> Placing:
        try:
            found = [self._buoy(number, course, files, midnight) for number in start.buoys]
        except OSError as error:
            return Placing(course, remarks=(f"{course.name}: no line: the track of a buoy cannot be read: {error}",))
        here = {number_of(file.name) for file in files}
        remarks = [
            f"{course.name}: no line: the tracks of buoy {number} have no slow fixes in the hours of the course"
            if number in here
            else f"{course.name}: no line: no track of buoy {number} is here yet"
            for number, buoy in zip(start.buoys, found, strict=True)
            if buoy is None
        ]
        buoys = [buoy for buoy in found if buoy is not None]
        remarks += [f"{course.name}: {text}" for buoy in buoys if (text := swing_warning(buoy, course.swing))]
        line = line_between(buoys[0], buoys[1], start) if len(buoys) == len(found) else None
        return Placing(course, line, tuple(buoys), tuple(remarks))

    def _buoy(self, number: int, course: Course, files: Sequence[TrackFile], midnight: float) -> Buoy | None:
        mine = tuple(file for file in files if number_of(file.name) == number)
        since = midnight + (course.opens or 0)
        until = midnight + (course.closes or 86_400)
        key = (number, mine, since, until)
        if key not in self._buoys:
            data = (read_track(self.root / file.local_file) for file in mine)
            tracks = [decode(each, file.name) for each, file in zip(data, mine, strict=True)]
            self._buoys[key] = buoy_of(number, tracks, since, until)
        return self._buoys[key]
