"""The runs of a track on a course: for each passage of the start line a run, or the reason why it is none. Pure.

The rule was worked out from 983 published runs. A run begins where the straight path between two fixes crosses the
line. It ends when the integral of the Doppler velocity since then is as long as the course, as the crow flies.
"""

from __future__ import annotations

import math
from enum import StrEnum
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
from attrs import define, field
from msgspec import Struct
from numpy.typing import NDArray

from sse_twisted.config.courses import RUN_LENGTH, Course, Limits, Line
from sse_twisted.results.courses.path import Path, path_of
from sse_twisted.results.courses.plane import Crossings, Gate, Plane, Values, short_way
from sse_twisted.tracks.format import Track

KNOTS: Final = 3600 / 1852  # in 1 m/s
RATES, ACCELERATIONS = (1, 5, 10), (4.0, 7.5, 15.0)  # Hz, m/s²; documented by the field
SLOWEST: Final = 0.4  # m/s; whoever needs longer for the length of the course never ends
MAX_PASSAGES: Final = 2000  # of a track that are examined; a real one has up to 80 a day
EXACT: Final = 1e-6  # s to which the end of a run is computed; times since 1970 are exact to 2e-7


class Reason(StrEnum):
    """Why a passage is no run."""

    UNFINISHED = "did not finish"
    RECROSSED = "crossed back over the line"
    GAP = "gap in the fixes"
    SLOW = "too slow"
    ACCELERATION = "implausible acceleration"
    HEADING = "off course"
    BEFORE_OPENING = "before the course opened"
    AFTER_CLOSING = "after the course closed"


Why: TypeAlias = tuple[Reason | None, str]  # such as "12.4 s"


class Run(Struct, frozen=True):
    """What is measured of a passage that reached the end. Times in s since 1970."""

    start: float
    end: float
    length: float  # m
    course: float  # degrees true
    first: int  # index of the last fix before the start, and of the first after the end
    last: int

    @property
    def duration(self) -> float:  # s
        return self.end - self.start

    @property
    def knots(self) -> float:
        return self.length / self.duration * KNOTS


class Passage(Struct, frozen=True):
    """A forward passage of the start line, at a time in s since 1970 and a place in m along the line.

    Without a reason it is a run that counts. With one, `run` is what it would have been, if it reached the end.
    """

    time: float
    along: float
    run: Run | None
    reason: Reason | None = None
    detail: str = ""  # such as "12.4 s"

    @property
    def counts(self) -> bool:
        return self.reason is None


@define(eq=False)
class Sailed:
    """What a track makes of a start line: where it crosses the line or its extension, and the runs from there."""

    path: Path
    gate: Gate
    _course: Course
    _midnight: float  # the local one of the day, in s since 1970
    _crossings: Crossings
    _runs: dict[int, tuple[Run | None, Why]] = field(factory=dict, init=False)  # by crossing, as far as measured

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """The passages of the line, in order of time; MAX_PASSAGES at most."""
        return self.within(0, self.gate.length)

    @property
    def left_out(self) -> int:
        """The number of passages beyond MAX_PASSAGES."""
        forwards = int(np.count_nonzero(self._crossings.within(0, self.gate.length) & self._crossings.forward))
        return max(0, forwards - MAX_PASSAGES)

    def within(self, first: float, last: float) -> tuple[Passage, ...]:
        """Return the passages of a line on the same straight, between two places in m along this one."""
        inside, forward = self._crossings.within(first, last), self._crossings.forward
        backwards = self._times[inside & ~forward]
        found = []
        for each in np.flatnonzero(inside & forward)[:MAX_PASSAGES].tolist():
            run, why = self._run(each)
            start = float(self._times[each])
            until = backwards[np.searchsorted(backwards, start, side="right") :][:1]
            recrossed = float(until[0]) if len(until) else math.inf
            if run is None and recrossed == math.inf:
                why = Reason.UNFINISHED, ""
            elif run is None or recrossed <= run.end:
                run, why = None, (Reason.RECROSSED, "")
            found.append(Passage(start, float(self._crossings.along[each]), run, *why))
        return tuple(found)

    @cached_property
    def _times(self) -> Values:
        return _times(self.path, self._crossings.after, self._crossings.part)

    @cached_property
    def _finish(self) -> Gate | None:
        return Gate(self.gate.plane, self._course.finish) if isinstance(self._course.finish, Line) else None

    def _run(self, crossing: int) -> tuple[Run | None, Why]:
        """Return the run from a crossing, None if it never ends, and why it is none if the line is not recrossed."""
        if crossing not in self._runs:
            start, after = float(self._times[crossing]), int(self._crossings.after[crossing])
            run = _measured(self.path, after, start, self._course, self._finish)
            why: Why = (None, "")
            if run is not None:
                course = self._course
                why = out_of_hours(run, course, self._midnight) or _beyond_limits(run, self.path, course.limits) or why
            self._runs[crossing] = run, why
        return self._runs[crossing]


def runs_of(track: Track, course: Course, line: Line, midnight: float) -> Sailed:
    """Find the passages of a course's start line; `midnight` is the local one of the day, in s since 1970."""
    plane = Plane.of(line)
    path, gate = path_of(track, plane), Gate(plane, line)
    return Sailed(path, gate, course, midnight, gate.crossings(path.east, path.north))


def _times(path: Path, after: NDArray[np.intp], part: Values) -> Values:
    return path.time[after] + part * (path.time[after + 1] - path.time[after])


def _measured(path: Path, after: int, start: float, course: Course, finish: Gate | None) -> Run | None:
    """Return the run that begins at `start`, behind the fix `after`; None if it never ends."""
    length = course.length or RUN_LENGTH
    stop = int(np.searchsorted(path.time, start + length / SLOWEST, side="right"))
    began = _place(path, after, start)
    reached = _reached(path, after, start, stop, finish) if finish else _sailed(path, after, start, stop, length)
    if reached is None:
        return None
    last, end = reached
    ended = _place(path, last - 1, end)
    east, north = ended[0] - began[0], ended[1] - began[1]
    course_made = math.degrees(math.atan2(east, north)) % 360
    return Run(start, end, course.length or math.hypot(east, north), course_made, after, last)


def end_of(path: Path, start: float, length: float) -> float | None:
    """Return the time at which a run that begins at `start` has the length, in s since 1970; None if it never has."""
    after = int(np.searchsorted(path.time, start, side="right")) - 1
    if not 0 <= after < len(path) - 1:
        return None
    stop = int(np.searchsorted(path.time, start + length / SLOWEST, side="right"))
    reached = _sailed(path, after, start, stop, length)
    return reached[1] if reached else None


def _reached(path: Path, after: int, start: float, stop: int, finish: Gate) -> tuple[int, float] | None:
    """Return the fix behind the first forward passage of a finish line after `start`, and the time of the passage."""
    found = finish.crossings(path.east[after:stop], path.north[after:stop])
    times = _times(path, found.after + after, found.part)
    ends = found.forward & (found.along >= 0) & (found.along <= finish.length) & (times > start)
    for each in np.flatnonzero(ends)[:1].tolist():
        return after + int(found.after[each]) + 1, float(times[each])
    return None


def _sailed(path: Path, after: int, start: float, stop: int, length: float) -> tuple[int, float] | None:
    """Return the first fix that is `length` m away from the start, and the time at which that distance is reached."""
    east, north = path.sailed
    began = _place(path, after, start)
    away = np.hypot(east[after + 1 : stop] - began[0], north[after + 1 : stop] - began[1])
    for beyond in np.flatnonzero(away >= length)[:1].tolist():
        last = after + 1 + beyond
        early, late = max(start, float(path.time[last - 1])), float(path.time[last])
        while late - early > EXACT:
            middle = (early + late) / 2
            there = _place(path, last - 1, middle)
            if math.hypot(there[0] - began[0], there[1] - began[1]) < length:
                early = middle
            else:
                late = middle
        return last, late
    return None


def _place(path: Path, fix: int, time: float) -> tuple[float, float]:
    """Return the integral of the velocity at a time between `fix` and the next one, in m east and north."""
    since = time - float(path.time[fix])
    half = since * since / 2 / float(path.time[fix + 1] - path.time[fix])

    def integral(sailed: Values, velocity: Values) -> float:
        return float(sailed[fix] + velocity[fix] * since + (velocity[fix + 1] - velocity[fix]) * half)

    east, north = path.sailed
    return integral(east, path.velocity_east), integral(north, path.velocity_north)


def out_of_hours(run: Run, course: Course, midnight: float) -> tuple[Reason, str] | None:
    """Return why a run is outside of the hours of a course; None if it is inside, or the course has no hours."""
    end = run.end - midnight
    if course.opens is not None and end < course.opens:
        return Reason.BEFORE_OPENING, ""
    if course.closes is not None and end >= course.closes:
        return Reason.AFTER_CLOSING, ""
    return None


def _beyond_limits(run: Run, path: Path, limits: Limits) -> tuple[Reason, str] | None:
    steps = np.diff(path.time[run.first : run.last + 1])
    gap = float(steps.max())
    if gap > limits.gap:
        return Reason.GAP, f"{gap:.1f} s"
    inside = slice(run.first + 1, run.last)
    slowest = float(path.speed[inside].min(initial=math.inf))
    if slowest < limits.speed:
        return Reason.SLOW, f"{slowest * KNOTS:.1f} knots"
    hardest = float((np.abs(np.diff(path.speed[run.first : run.last + 1])) / steps).max())
    allowed = limits.acceleration or float(np.interp(path.rate, RATES, ACCELERATIONS))
    if hardest > allowed:
        return Reason.ACCELERATION, f"{hardest:.1f} m/s²"
    headings = np.degrees(np.arctan2(path.velocity_east[inside], path.velocity_north[inside]))
    off = float(np.abs(short_way(headings - run.course)).max(initial=0))
    if off > limits.heading:
        return Reason.HEADING, f"{off:.0f}°"
    return None
