"""What changes no run: another place or time, the order of the line's points, and what lies beside the runs."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sse_twisted.config.courses import Course, Limits, Line
from sse_twisted.results.courses.computation import Computation
from sse_twisted.results.courses.gpsdata import Row
from sse_twisted.results.courses.plane import Plane
from sse_twisted.results.courses.runs import Reason, runs_of
from sse_twisted.tracks.format import Fixes, Track
from tests.results.courses.folder import S1, Event
from tests.results.courses.sailing import (
    COURSE,
    LINE,
    MIDNIGHT,
    NOON,
    ORIGIN,
    PLANE,
    RealDay,
    only,
    real_days,
    sail,
    track_of,
)

GENEROUS = replace(COURSE, limits=Limits(acceleration=1000.0))  # invented sailors turn at once
COLUMNS = ("time", "latitude", "longitude", "speed", "course")

# start and end in s since 1970, course over ground, reason
Figures = list[tuple[float, float, float, Reason | None]]

laps = st.lists(st.tuples(st.floats(4, 25), st.floats(-35, 35), st.floats(10, 100)), min_size=1, max_size=4)
rates = st.sampled_from([1, 5, 10])


def voyage(laps: list[tuple[float, float, float]], rate: int, start: float = NOON) -> Track:
    """Laps of (m/s, degrees, s): over the line on a course, and back; some are too short, or cross back over it.

    The place where they begin is odd: round figures would lead over an end of the line, where rounding decides.
    """
    legs = []
    for speed, course, seconds in laps:
        legs += [
            (seconds, speed, course),
            (2.0, speed, 90.0),
            (seconds * 0.9, speed, course + 180),
            (2.0, speed, 270.0),
        ]
    return sail(legs, at=(-3.317, -60.713), start=start, rate=rate)


def found(track: Track, course: Course = GENEROUS, line: Line = LINE, midnight: float = MIDNIGHT) -> Figures:
    """All passages; those without an end are as long as nothing."""
    return [
        (p.time, p.run.end if p.run else p.time, p.run.course if p.run else 0.0, p.reason)
        for p in runs_of(track, course, line, midnight).passages
    ]


def assert_same(ours: Figures, theirs: Figures, later: float = 0.0, exact: float = 1e-4) -> None:
    """Assert that passages are the same, some seconds later."""
    assert [reason for *_, reason in ours] == [reason for *_, reason in theirs]
    for (start, end, course, _), (other_start, other_end, other_course, _) in zip(ours, theirs, strict=True):
        assert start == pytest.approx(other_start + later, abs=exact)
        assert end == pytest.approx(other_end + later, abs=exact)
        assert (course - other_course + 180) % 360 - 180 == pytest.approx(0, abs=1e-3)


def moved_to(track: Track, place: tuple[float, float]) -> tuple[Track, Line]:
    """The track and the line as many metres around a place as they are around ORIGIN."""
    plane = Plane(place)
    east, north = PLANE.metres(track.fixes.latitude, track.fixes.longitude)
    of_longitude, of_latitude = plane.scale
    latitude = place[0] + north / of_latitude
    longitude = (place[1] + east / of_longitude + 180) % 360 - 180
    line = Line((plane.position(-50, 0), plane.position(50, 0)), LINE.direction)
    return replace(track, fixes=replace(track.fixes, latitude=latitude, longitude=longitude)), line


def joined(*tracks: Track) -> Track:
    columns = {name: np.concatenate([getattr(track.fixes, name) for track in tracks]) for name in COLUMNS}
    return track_of(Fixes(**columns), tracks[0].rate)


def resting(track: Track, seconds: int, *, before: bool) -> Track:
    """The track with as many seconds at rest before its first or behind its last fix."""
    step, count = 1000 // track.rate, seconds * track.rate
    at = 0 if before else -1
    ahead = np.arange(-count, 0) if before else np.arange(1, count + 1)
    place = {name: np.full(count, getattr(track.fixes, name)[at]) for name in COLUMNS}
    rest = track_of(
        Fixes(**place | {"time": track.fixes.time[at] + step * ahead, "speed": np.zeros(count, np.int64)}), track.rate
    )
    return joined(rest, track) if before else joined(track, rest)


@given(laps, rates, st.floats(-80, 80), st.floats(-180, 180))
def test_the_place_on_earth(laps: list[tuple[float, float, float]], rate: int, north: float, east: float) -> None:
    track = voyage(laps, rate)
    there, line = moved_to(track, (north, east))
    assert_same(found(there, line=line), found(track))


@given(laps, rates, st.floats(-60, 60))
def test_the_antimeridian_through_the_line(laps: list[tuple[float, float, float]], rate: int, east: float) -> None:
    """East or west of the middle of the line by up to 60 m, also where only the run crosses it."""
    track = voyage(laps, rate)
    there, line = moved_to(track, (ORIGIN[0], 180 - east / PLANE.scale[0]))
    assert_same(found(there, line=line), found(track))


@given(laps, rates, st.integers(-4_000_000_000_000, 4_000_000_000_000))
def test_the_date(laps: list[tuple[float, float, float]], rate: int, later: int) -> None:
    track = voyage(laps, rate)
    moved = replace(track, fixes=replace(track.fixes, time=np.maximum(track.fixes.time + later, 0)))
    if moved.fixes.time[0] > 0:
        assert_same(found(moved, midnight=MIDNIGHT + later / 1000), found(track), later / 1000)


@given(laps, rates, st.floats(-89, 89))
def test_the_order_of_the_points_of_the_line(
    laps: list[tuple[float, float, float]], rate: int, direction: float
) -> None:
    track, line = voyage(laps, rate), replace(LINE, direction=direction)
    assert_same(found(track, line=replace(line, ends=line.ends[::-1])), found(track, line=line))


@given(laps, rates, st.integers(1, 300), st.booleans())
def test_rest_before_or_behind_everything(
    laps: list[tuple[float, float, float]], rate: int, seconds: int, before: bool
) -> None:
    track = voyage(laps, rate)
    runs = [each for each in found(track) if each[3] is None]
    rested = [each for each in found(resting(track, seconds, before=before)) if each[3] is None]
    assert_same(rested, runs)


@given(laps, rates, st.integers(0, 20))
def test_a_cut_behind_a_run(laps: list[tuple[float, float, float]], rate: int, more: int) -> None:
    """Whatever is behind the first fix after its end has no part in a run, unless the line is crossed back before."""
    track = voyage(laps, rate)
    runs = [each for each in found(track) if each[3] is None]
    for number, (_, end, *_) in enumerate(runs, 1):
        last = int(np.searchsorted(track.fixes.time, end * 1000)) + 1 + more
        cut = [each for each in found(only(track, slice(0, last))) if each[3] is None]
        assert_same(cut[:number], runs[:number])


@given(laps, rates, st.integers(0, 3))
def test_a_split_between_two_runs(laps: list[tuple[float, float, float]], rate: int, which: int) -> None:
    track = voyage(laps, rate)
    runs = [each for each in found(track) if each[3] is None]
    if which + 1 < len(runs):
        between = int(np.searchsorted(track.fixes.time, runs[which][1] * 1000)) + 1
        halves = only(track, slice(0, between)), only(track, slice(between, None))
        assert_same([each for half in halves for each in found(half) if each[3] is None], runs)


@given(laps, rates)
def test_a_run_begins_at_its_crossing_between_two_fixes_and_ends_later(
    laps: list[tuple[float, float, float]], rate: int
) -> None:
    track = voyage(laps, rate)
    sailed = runs_of(track, GENEROUS, LINE, MIDNIGHT)
    for passage in sailed.passages:
        if passage.run is not None:
            run, moment = passage.run, sailed.path.time
            assert passage.time == run.start < run.end
            assert moment[run.first] <= run.start <= moment[run.first + 1]
            assert moment[run.last - 1] <= run.end <= moment[run.last]
            assert sailed.path.north[run.first] <= 0 <= sailed.path.north[run.first + 1] + 1e-9


# Real tracks


@pytest.fixture(scope="module")
def days(captures: Path) -> list[RealDay]:
    return list(real_days(captures))


@pytest.mark.parametrize("degrees", [(0.0, 90.0), (0.0, 182.46), (0.0, -177.54), (0.05, 0.0), (-0.05, 182.46)])
def test_real_tracks_elsewhere(days: list[RealDay], degrees: tuple[float, float]) -> None:
    """East and west anywhere, also over the antimeridian; 5.5 km to the north changes the length of a degree."""
    north, east = degrees
    for day in days:
        fixes = day.track.fixes
        there = replace(
            day.track,
            fixes=replace(fixes, latitude=fixes.latitude + north, longitude=(fixes.longitude + east + 180) % 360 - 180),
        )
        ends = [(latitude + north, (longitude + east + 180) % 360 - 180) for latitude, longitude in day.line.ends]
        line = replace(day.line, ends=(ends[0], ends[1]))
        exact = 1e-4 if not north else 1e-2
        assert_same(
            found(there, day.course, line, day.midnight), found(day.track, day.course, day.line, day.midnight), 0, exact
        )


# Whole days, from files


@contextmanager
def on_a_computer_in(zone: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def rows(day: dt.date, minutes: int, clock: float, opens: str, closes: str) -> tuple[Row, ...]:
    """The results of a run of 50 s that ends at a time in s after the midnight of a day, at minutes east of UTC."""
    zone = dt.timezone(dt.timedelta(minutes=minutes))
    midnight = dt.datetime.combine(day, dt.time(), zone).timestamp()
    with TemporaryDirectory() as folder:
        event = Event(Path(folder))
        event.courses(day, S1=S1 | {"Start Time": opens, "End Time": closes})
        event.track(601, sail([(90, 10, 0)], start=midnight + clock - 60), day)
        results, _ = Computation(event.root, zone).day(day, event.people)
        return results.courses["S1"].rows


CHANGES = [
    ("Europe/Berlin", dt.date(2023, 3, 26), (60, 120)),
    ("Europe/Berlin", dt.date(2023, 10, 29), (120, 60)),
    ("America/New_York", dt.date(2023, 3, 12), (-300, -240)),
    ("America/New_York", dt.date(2023, 11, 5), (-240, -300)),
    ("America/St_Johns", dt.date(2023, 3, 12), (-210, -150)),
]


@pytest.mark.parametrize(("zone", "day", "offsets"), CHANGES)
def test_the_day_on_which_the_clocks_change(zone: str, day: dt.date, offsets: tuple[int, int]) -> None:
    """The event has one clock all day, whatever the computer's does."""
    with on_a_computer_in(zone):
        for minutes in offsets:
            for clock in (1.5 * 3600, 2.5 * 3600, 3.5 * 3600, 12 * 3600, 23.9 * 3600):
                (row,) = rows(day, minutes, clock, "01:00:00", "24:00:00")
                assert (row.end, row.duration) == (int(clock) - 1, 50.0)
            assert rows(day, minutes, 1.5 * 3600, "02:00:00", "24:00:00") == ()


nights = st.integers(22 * 3600 + 1, 26 * 3600 - 1)  # s after midnight


@settings(max_examples=10)
@given(st.dates(dt.date(2015, 1, 1), dt.date(2035, 1, 1)), st.integers(-720, 840), nights)
def test_a_session_over_midnight(day: dt.date, minutes: int, clock: int) -> None:
    (row,) = rows(day, minutes, clock + 0.5, "22:00:00", "26:00:00")
    assert row.end == clock % 86_400
    assert rows(day, minutes, clock + 0.5, "22:00:00", f"{clock // 3600}:{clock // 60 % 60:02}:{clock % 60:02}") == ()
