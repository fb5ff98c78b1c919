"""What one track makes of all courses of a day. Pure and of plain values, so that another process can compute it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from sse_twisted.config.courses import RUN_LENGTH, Course, Finish, Line
from sse_twisted.results.courses.line_check import TrackCheck, check_track
from sse_twisted.results.courses.path import path_of
from sse_twisted.results.courses.plane import Plane
from sse_twisted.results.courses.runs import Passage, Run, out_of_hours, runs_of
from sse_twisted.tracks.bests import best_windows, run_ends
from sse_twisted.tracks.bests import runs_of as grid_runs
from sse_twisted.tracks.format import Buffer, Track
from sse_twisted.tracks.formats import decode, is_readable
from sse_twisted.tracks.grid import on_grid
from sse_twisted.tracks.session import in_time
from sse_twisted.tracks.windows import over_distance


class PlacedCourse(Struct, frozen=True):
    """A course with its line, None if it is anywhere; `midnight` in s since 1970 begins its day."""

    course: Course
    line: Line | None
    midnight: float


class TrackRuns(Struct, frozen=True):
    """The passages of a track by course, and what each line misses of it."""

    rate: int
    passages: Mapping[str, tuple[Passage, ...]]
    checks: Mapping[str, TrackCheck]
    left_out: int = 0  # passages that were not examined
    trouble: str = ""  # why the file could not be read
    defect: str = ""  # why what was read is no track


def track_runs(data: Buffer, name: str, entrant: str, courses: tuple[PlacedCourse, ...]) -> TrackRuns:
    """Compute the runs of a file of any kind; a file of no known format has none. Raises nothing."""
    track = decode(data, name)
    if len(track.fixes) < 2:
        kind = track.integrity.kind
        defect = (
            ""
            if is_readable(kind)
            else f"not a track that can be read ({kind})"
            if data
            else "the file is empty or gone"
        )
        return TrackRuns(track.rate, {}, {}, defect=defect)
    passages, checks, left_out = {}, {}, 0
    for placed in courses:
        if placed.line is None:
            passages[placed.course.name] = anywhere(track, placed)
            continue
        sailed = runs_of(track, placed.course, placed.line, placed.midnight)
        passages[placed.course.name] = sailed.passages
        left_out += sailed.left_out
        checks[placed.course.name] = check_track(entrant, sailed, placed.midnight)
    return TrackRuns(track.rate, passages, checks, left_out)


def anywhere(track: Track, placed: PlacedCourse) -> tuple[Passage, ...]:
    """Return the five best of the course's length anywhere in the track, in order of time, as runs."""
    if placed.course.finish is not Finish.ANYWHERE or not track.rate:
        return ()
    fixes = track.fixes[in_time(track.fixes.time)]
    length = placed.course.length or RUN_LENGTH
    grid = on_grid(fixes, track.rate, track.rules)
    metric = over_distance(grid, round(length))
    ends = run_ends(grid, missing_is_slow=track.rules.logging_threshold > 0)
    best = best_windows(grid, metric, grid_runs(grid, ends))
    path = path_of(track, Plane((float(fixes.latitude[0]), float(fixes.longitude[0]))))
    found = []
    for speed in sorted(best, key=lambda speed: speed.end):
        end = speed.end / 1000
        start = end - length / (speed.value / 1000)
        first, last = (int(np.searchsorted(path.time, time)) for time in (start, end))
        first, last = max(0, first - 1), min(last, len(path) - 1)
        east, north = path.east[last] - path.east[first], path.north[last] - path.north[first]
        course = float(np.degrees(np.arctan2(east, north))) % 360
        run = Run(start, end, length, course, first, last)
        late = out_of_hours(run, placed.course, placed.midnight)
        found.append(Passage(start, 0.0, run, *(late or (None, ""))))
    return tuple(found)
