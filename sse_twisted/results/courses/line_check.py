"""What a start line misses: passages just beside its ends, and what a longer line would gain or lose. Pure.

A line that was drawn too short lost 17 % of the runs of one day in 2024, and nobody saw it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from sse_twisted.config.courses import Course, Line, rough_distance
from sse_twisted.results.courses.plane import Gate, Plane
from sse_twisted.results.courses.runs import Reason, Sailed
from sse_twisted.runtime.text import plural

STRETCHES: Final = (5.0, 10.0, 20.0)  # m
HOUR: Final = 3600
SHIFTS: Final = (-HOUR, HOUR, -2 * HOUR, 2 * HOUR)  # s, the likely ones first; a zone that is wrong
SOME: Final = 50  # every so manieth fix tells how near a track comes: one in 10 s at 5 Hz
FAR: Final = 2_000.0  # m from the line, beyond which it is not on the water that was sailed
FEW: Final = 5  # runs that a shift must gain before it is worth a word
IN_HOURS: Final = (None, Reason.BEFORE_OPENING, Reason.AFTER_CLOSING)
SIDES: Final = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")

Stretch = tuple[int, float]  # which end, and by how many m the line is longer there


class Miss(Struct, frozen=True):
    """A run that began beside an end of the line: which end, and by how many m."""

    end: int
    metres: float
    knots: float


class TrackCheck(Struct, frozen=True):
    """What a line misses of one track."""

    entrant: str
    runs: int
    misses: tuple[Miss, ...]
    stretched: Mapping[Stretch, int]  # runs with a longer line
    ends: tuple[float, ...]  # of all runs whatever the hours of the course are, in s after midnight
    nearest: float = 0.0  # m from the middle of the line to the nearest of some fixes


class Effect(Struct, frozen=True):
    """What a line that is longer at one end would change."""

    end: int
    metres: float
    runs: int  # more, or fewer if negative
    gaining: int  # entrants with more runs
    losing: int


def check_track(entrant: str, sailed: Sailed, midnight: float) -> TrackCheck:
    """Find what a line misses of a track; `midnight` is the local one of the day, in s since 1970."""
    passages, length = sailed.passages, sailed.gate.length
    runs = sum(passage.counts for passage in passages)
    ends = tuple(p.run.end - midnight for p in passages if p.run and p.reason in IN_HOURS)
    stretched: dict[Stretch, int] = {}
    misses: list[Miss] = []
    for end, metres in ((end, metres) for end in (0, 1) for metres in STRETCHES):
        found = sailed.within(-metres, length) if end == 0 else sailed.within(0, length + metres)
        stretched[end, metres] = sum(passage.counts for passage in found)
        if metres == max(STRETCHES):
            beyond = ((passage, -passage.along if end == 0 else passage.along - length) for passage in found)
            misses += [Miss(end, off, p.run.knots) for p, off in beyond if off > 0 and p.counts and p.run is not None]
    return TrackCheck(entrant, runs, tuple(misses), stretched, ends, _nearest(sailed))


def _nearest(sailed: Sailed) -> float:
    path, plane = sailed.path, sailed.gate.plane
    east, north = path.east[::SOME], path.north[::SOME]
    if not len(east):
        return math.inf
    nearest = int(np.argmin(np.hypot(east, north)))
    return rough_distance(plane.origin, plane.position(float(east[nearest]), float(north[nearest])))


def effects(checks: Sequence[TrackCheck]) -> tuple[Effect, ...]:
    """Return what each longer line would change for all tracks of a day."""
    found = []
    for end, metres in ((end, metres) for end in (0, 1) for metres in STRETCHES):
        more: dict[str, int] = {}
        for check in checks:
            more[check.entrant] = more.get(check.entrant, 0) + check.stretched[end, metres] - check.runs
        gaining, losing = (sum(sign * change > 0 for change in more.values()) for sign in (1, -1))
        found.append(Effect(end, metres, sum(more.values()), gaining, losing))
    return tuple(found)


def side_of(line: Line, end: int) -> str:
    """Return the compass point at which an end lies, seen from the other one."""
    gate = Gate(Plane.of(line), line)
    (east, north), (other_east, other_north) = gate.ends[end], gate.ends[1 - end]
    bearing = math.degrees(math.atan2(east - other_east, north - other_north))
    return SIDES[round(bearing / 45) % 8]


def warnings(course: Course, line: Line, checks: Sequence[TrackCheck]) -> tuple[str, ...]:
    """Return what should be looked at before anything is published."""
    found = []
    away = min((check.nearest for check in checks), default=0.0)
    if away > FAR:
        found.append(f"no track comes near the line, the nearest stays {away / 1000:,.0f} km away: check Start Line")
    for end in (0, 1):
        misses = sorted((miss for check in checks for miss in check.misses if miss.end == end), key=lambda m: m.metres)
        if misses:
            entrants = sum(any(miss.end == end for miss in check.misses) for check in checks)
            found.append(
                f"{plural(len(misses), 'run')} of {plural(entrants, 'track')} miss the {side_of(line, end)} end of the "
                f"line by {misses[0].metres:.1f} to {misses[-1].metres:.1f} m: is the line too short?"
            )
    return (*found, *_hours_warning(course, [end for check in checks for end in check.ends]))


def _hours_warning(course: Course, ends: Iterable[float]) -> tuple[str, ...]:
    if course.opens is None or course.closes is None:
        return ()
    opens, closes = course.opens, course.closes
    ends = list(ends)

    def inside(shift: float) -> int:
        return sum(opens <= end + shift < closes for end in ends)

    as_is = inside(0)
    best = max(SHIFTS, key=inside)
    gained = inside(best) - as_is
    if gained < FEW or gained < as_is:
        return ()
    direction = "ahead" if best > 0 else "behind"
    text = (
        f"{plural(as_is, 'run')} in the hours of the course, but {inside(best):,} if the clock were "
        f"{abs(best) // HOUR} h {direction}: check Start Time, End Time and expected.timezone"
    )
    return (text,)
