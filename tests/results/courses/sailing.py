"""Made-up tracks near a line, and the published runs of real ones."""

from __future__ import annotations

import csv
import datetime as dt
import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from attrs import frozen
from msgspec.structs import replace

from sse_twisted.config.courses import Course, Line, parse_courses
from sse_twisted.results.courses.plane import Gate, Plane
from sse_twisted.tracks.format import Evidence, Fixes, Integrity, Rules, SpeedSource, Track
from sse_twisted.tracks.formats import decode

MIDNIGHT = 1_696_633_200.0  # s since 1970: the local one of 2023-10-07, one hour east of UTC
ORIGIN = (50.575, -2.46)
PLANE = Plane(ORIGIN)
LINE = Line((PLANE.position(-50, 0), PLANE.position(50, 0)), 0.0)  # 100 m, sailed to the north
COURSE = Course("S1", 10 * 3600, 16 * 3600, start=LINE)
NOON = MIDNIGHT + 12 * 3600


def track_of(fixes: Fixes, rate: int = 5) -> Track:
    """A decoded track with these fixes."""
    offsets = range(len(fixes))
    return Track(fixes, Integrity(0, "toy"), offsets, 1, rate, Rules(), SpeedSource.DOPPLER, Evidence.CONSISTENT)


def sail(
    legs: list[tuple[float, float, float]],
    *,
    at: tuple[float, float] = (0.0, -100.0),
    start: float = NOON,
    rate: int = 5,
) -> Track:
    """Legs of (seconds, m/s, degrees) from a place in m east and north of ORIGIN; a leg begins with its last speed."""
    counts = [round(seconds * rate) for seconds, _, _ in legs]
    speed = np.repeat([speed for _, speed, _ in legs], counts)
    course = np.radians(np.repeat([course for _, _, course in legs], counts))
    east_speed, north_speed = speed * np.sin(course), speed * np.cos(course)
    east = at[0] + np.concatenate([[0], np.cumsum((east_speed[1:] + east_speed[:-1]) / 2 / rate)])
    north = at[1] + np.concatenate([[0], np.cumsum((north_speed[1:] + north_speed[:-1]) / 2 / rate)])
    of_longitude, of_latitude = PLANE.scale
    time = np.round((start + np.arange(len(speed)) / rate) * 1000).astype(np.int64)
    return track_of(
        Fixes(
            time=time,
            latitude=ORIGIN[0] + north / of_latitude,
            longitude=ORIGIN[1] + east / of_longitude,
            speed=np.round(speed * 1000).astype(np.int64),
            course=np.round(np.degrees(course) % 360 * 1e5).astype(np.int64),
        ),
        rate,
    )


def longer_line(line: Line, end: int, metres: float) -> Line:
    """The line, longer at its first (0) or other (1) end, or shorter."""
    plane = Plane.of(line)
    gate = Gate(plane, line)
    moving, fixed = gate.ends[end], gate.ends[1 - end]
    part = metres / gate.length
    moved = plane.position(moving[0] + (moving[0] - fixed[0]) * part, moving[1] + (moving[1] - fixed[1]) * part)
    return replace(line, ends=(moved, line.ends[1]) if end == 0 else (line.ends[0], moved))


def only(track: Track, which: slice | np.ndarray) -> Track:
    """The track with some of its fixes."""
    fixes = track.fixes[which]
    return replace(track, fixes=fixes, offsets=range(len(fixes)))


@frozen
class Published:
    """A published run: the local second of its end, duration in s, knots, course, and the longest gap in s."""

    second: int
    duration: float
    knots: float
    course: float
    gap: float


@frozen(eq=False)
class RealDay:
    """A real track on a day of its event, with the runs that were published of it."""

    name: str
    track: Track
    course: Course
    line: Line
    midnight: float
    published: tuple[Published, ...]


def real_days(captures: Path) -> Iterator[RealDay]:
    """The real tracks on placed courses."""
    folder = captures / "courses"
    lines = json.loads((folder / "courses.json").read_text())
    runs, tracks = (
        list(csv.DictReader((folder / name).read_text().splitlines())) for name in ("runs.csv", "tracks.csv")
    )
    for row in tracks:
        key = f"{row['day']}_{row['course']}"
        if key not in lines:
            continue
        entry = lines[key]
        course = _course(row["course"], entry)
        assert isinstance(course.start, Line)
        day = dt.datetime.strptime(row["day"], "%Y%m%d").replace(tzinfo=dt.UTC).timestamp()
        yield RealDay(
            row["track"],
            decode(_bytes(captures, row["where"], row["track"]), row["track"]),
            course,
            course.start,
            day - 60 * entry["utc_offset_min"],
            tuple(
                _published(run)
                for run in runs
                if (run["track"], run["day"], run["course"]) == (row["track"], row["day"], row["course"])
            ),
        )


def _course(name: str, entry: dict[str, object]) -> Course:
    tree = {
        "Start Time": entry["opens_local"],
        "End Time": entry["closes_local"],
        "Start Line": entry["start_line"],
        "Direction": entry["direction_deg"],
    }
    return parse_courses(json.dumps({name: tree}).encode()).courses[name]


def _bytes(captures: Path, where: str, name: str) -> bytes:
    path = captures / where
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else (captures / "tracks" / name).read_bytes()


def _published(run: dict[str, str]) -> Published:
    hours, minutes, seconds = map(int, run["time_local"].split(":"))
    return Published(
        3600 * hours + 60 * minutes + seconds,
        float(run["duration_s"]),
        float(run["speed_kn"]),
        float(run["course_deg"]),
        float(run["longest_gap_s"]),
    )
