from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sse_twisted.config.courses import Course, Limits, Line
from sse_twisted.results.courses import runs as module
from sse_twisted.results.courses.runs import KNOTS, Passage, Reason, Sailed, runs_of
from sse_twisted.tracks.format import SpeedSource, Track
from tests.results.courses.sailing import COURSE, LINE, MIDNIGHT, NOON, PLANE, RealDay, real_days, sail, track_of

RUN = [(100.0, 10.0, 0.0)]  # from 100 m before the line, 900 m behind it
AND_BACK = (10.0, 10.0, 180.0)


def sailed(track: Track, course: Course = COURSE, line: Line = LINE) -> Sailed:
    return runs_of(track, course, line, MIDNIGHT)


def only(track: Track, course: Course = COURSE, line: Line = LINE) -> Passage:
    (passage,) = sailed(track, course, line).passages
    return passage


def figures(found: Sailed) -> list[tuple[float, float, float]]:
    """Start, end and course of each run."""
    return [(p.run.start, p.run.end, p.run.course) for p in found.passages if p.counts and p.run]


@pytest.fixture(scope="module")
def days(captures: Path) -> list[RealDay]:
    return list(real_days(captures))


def test_a_run_begins_at_the_line_and_ends_500_m_later() -> None:
    passage = only(sail(RUN))
    assert passage.counts
    assert passage.time == pytest.approx(NOON + 10, abs=1e-4)
    assert passage.along == pytest.approx(50, abs=1e-3)
    run = passage.run
    assert run is not None
    assert run.duration == pytest.approx(50, abs=1e-5)
    assert run.knots == pytest.approx(10 * KNOTS, abs=1e-4)
    assert run.course == pytest.approx(0, abs=1e-4)


def test_the_distance_is_as_the_crow_flies_not_as_sailed() -> None:
    zigzag = [(10.0, 10.0, 0.0), *[(5.0, 10.0, 30.0), (5.0, 10.0, 330.0)] * 9]
    run = only(sail(zigzag)).run
    assert run is not None
    assert run.duration == pytest.approx(50 / math.cos(math.radians(30)), abs=0.2)


def test_a_step_across_the_line_and_one_across_the_end_are_divided() -> None:
    """At 1 Hz, 17 m/s, neither the line nor the end falls on a fix."""
    run = only(sail([(60, 17, 0)], rate=1)).run
    assert run is not None
    assert run.start == pytest.approx(NOON + 100 / 17, abs=1e-4)
    assert run.duration == pytest.approx(500 / 17, abs=1e-4)


def test_the_velocity_is_linear_between_fixes() -> None:
    """From 10 m/s the speed grows by 1 m/s each second: 500 m = 10 t + t²/2."""
    legs = [(10.0, 10.0, 0.0), *[(1.0, 10.0 + second, 0.0) for second in range(41)]]
    run = only(sail(legs, rate=1)).run
    assert run is not None
    assert run.duration == pytest.approx(math.sqrt(100 + 1000) - 10, abs=1e-3)


def test_only_a_passage_between_the_ends_counts() -> None:
    assert sailed(sail(RUN, at=(51, -100))).passages == ()
    assert only(sail(RUN, at=(49, -100))).along == pytest.approx(99, abs=1e-3)


def test_only_a_passage_in_the_direction_counts() -> None:
    assert sailed(sail([(100, 10, 180)], at=(0, 100))).passages == ()
    assert only(sail([(100, 10, 180)], at=(0, 100)), line=replace(LINE, direction=180)).counts


def test_who_is_slower_than_the_slowest_never_ends() -> None:
    assert only(sail([(20, 10, 0), (1300, 0.1, 0)])).reason is Reason.UNFINISHED


@pytest.mark.parametrize(
    ("legs", "reason", "detail"),
    [
        ([(40.0, 10.0, 0.0)], Reason.UNFINISHED, ""),
        ([(15.0, 10.0, 0.0), AND_BACK, (80.0, 10.0, 0.0)], Reason.RECROSSED, ""),
        ([(30.0, 10.0, 0.0), (2.0, 2.9, 0.0), (60.0, 10.0, 0.0)], Reason.SLOW, "5.6 knots"),
        ([(30.0, 10.0, 0.0), (60.0, 12.0, 0.0)], Reason.ACCELERATION, "10.0 m/s²"),
        ([(30.0, 10.0, 0.0), (1.0, 10.0, 80.0), (60.0, 10.0, 0.0)], Reason.HEADING, "79°"),
    ],
)
def test_a_passage_that_is_no_run_has_a_reason(
    legs: list[tuple[float, float, float]], reason: Reason, detail: str
) -> None:
    generous = replace(COURSE, limits=Limits(acceleration=None if reason is Reason.ACCELERATION else 1000))
    first = sailed(sail(legs), generous).passages[0]
    assert (first.reason, first.detail) == (reason, detail)
    assert (first.run is None) == (reason in (Reason.UNFINISHED, Reason.RECROSSED))


def test_a_gap_of_more_than_two_and_a_half_seconds_is_none() -> None:
    whole = sail(RUN)
    for missing, counts in ((11, True), (12, False)):
        kept = np.ones(len(whole.fixes), bool)
        kept[150 : 150 + missing] = False
        passage = only(track_of(whole.fixes[kept]))
        assert passage.counts is counts
    assert (passage.reason, passage.detail) == (Reason.GAP, "2.6 s")


def test_after_crossing_back_the_next_passage_is_a_run() -> None:
    found = sailed(sail([(15, 10, 0), (10, 10, 180), (80, 10, 0)]), replace(COURSE, limits=Limits(acceleration=1000)))
    assert [passage.reason for passage in found.passages] == [Reason.RECROSSED, None]


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (36_000 - 60.3, Reason.BEFORE_OPENING),
        (36_000 - 59.9, None),
        (57_600 - 60.1, None),
        (57_600 - 59.9, Reason.AFTER_CLOSING),
    ],
)
def test_the_end_of_a_run_is_in_the_hours_of_the_course(start: float, reason: Reason | None) -> None:
    assert only(sail(RUN, start=MIDNIGHT + start)).reason is reason


def test_a_course_without_hours_counts_the_whole_day() -> None:
    assert only(sail(RUN, start=MIDNIGHT + 60), replace(COURSE, opens=None, closes=None)).counts


def test_a_run_ends_at_the_finish_line_wherever_that_is() -> None:
    finish = Line((PLANE.position(-120, 300), PLANE.position(120, 300)), 0)
    measured = only(sail([(100, 10, 15)]), replace(COURSE, finish=finish, length=None)).run
    assert measured is not None
    assert measured.duration == pytest.approx(30 / math.cos(math.radians(15)), abs=1e-3)
    assert measured.length == pytest.approx(300 / math.cos(math.radians(15)), abs=1e-2)
    fixed = only(sail([(100, 10, 15)]), replace(COURSE, finish=finish, length=295.0)).run
    assert fixed is not None
    assert fixed.length == 295
    missed = Line((PLANE.position(-120, 300), PLANE.position(90, 300)), 0)
    assert only(sail([(100, 10, 15)]), replace(COURSE, finish=missed, length=None)).reason is Reason.UNFINISHED


def test_other_lengths_are_measured_alike() -> None:
    for length in (250.0, 800.0):
        run = only(sail(RUN), replace(COURSE, length=length)).run
        assert run is not None
        assert run.duration == pytest.approx(length / 10, abs=1e-4)


def test_a_track_on_the_other_side_of_the_earth_has_no_passage() -> None:
    away = Line(((-33.85, 151.2), (-33.851, 151.2)), 90)
    assert sailed(sail(RUN), line=away).passages == ()


def test_a_line_across_the_antimeridian_is_a_line_like_others() -> None:
    track, shift = sail(RUN), 180 - 2.46 * -1
    longitude = (track.fixes.longitude + shift + 180) % 360 - 180
    moved = replace(track, fixes=replace(track.fixes, longitude=longitude))
    ends = tuple((latitude, (longitude + shift + 180) % 360 - 180) for latitude, longitude in LINE.ends)
    line = Line((ends[0], ends[1]), 0)
    assert line.ends[0][1] * line.ends[1][1] < 0
    assert figures(sailed(moved, line=line))[0] == pytest.approx(figures(sailed(track))[0], abs=1e-5)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_track_with_hardly_a_fix_has_no_passage(kept: int) -> None:
    assert sailed(track_of(sail(RUN).fixes[:kept])).passages == ()


def test_a_track_without_courses_takes_them_from_its_positions() -> None:
    track = sail(RUN)
    run = only(replace(track, fixes=replace(track.fixes, course=None))).run
    assert run is not None
    assert run.duration == pytest.approx(50, abs=0.01)
    positions = replace(track, speeds=SpeedSource.POSITIONS, fixes=replace(track.fixes, course=None))
    assert only(positions).run is not None


def test_fixes_whose_clock_goes_back_are_left_out() -> None:
    track = sail(RUN)
    time = track.fixes.time.copy()
    time[100:103] -= 60_000
    passage = only(replace(track, fixes=replace(track.fixes, time=time)))
    assert passage.counts


def test_positions_that_are_no_numbers_are_left_out() -> None:
    track = sail(RUN)
    latitude = track.fixes.latitude.copy()
    latitude[100:103] = math.nan
    assert only(replace(track, fixes=replace(track.fixes, latitude=latitude))).counts


def test_a_device_that_jitters_on_the_line_is_examined_so_often_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PASSAGES", 3)
    track = sail([(100, 10, 0)])
    north = np.where(np.arange(len(track.fixes)) % 2, 1.0, -1.0) / PLANE.scale[1] + 50.575
    found = sailed(replace(track, fixes=replace(track.fixes, latitude=north)))
    assert len(found.passages) == 3
    assert found.left_out == 247


# The rule against what was published of six real days.


def matched(day: RealDay, found: Sailed) -> Iterator[tuple[float, float, float]]:
    """Knots more than published, degrees off, and seconds later, for each published run that was found."""
    for published in day.published:
        for passage in found.passages:
            if passage.counts and passage.run and abs(passage.run.end - day.midnight - published.second) < 3:
                off = (passage.run.course - published.course + 180) % 360 - 180
                second = math.floor(passage.run.end - day.midnight - 0.5 / day.track.rate)
                yield passage.run.knots - published.knots, off, second - published.second


def test_the_published_runs_are_found_and_no_other(days: list[RealDay]) -> None:
    published = sum(len(day.published) for day in days)
    assert published == 337
    results = {day.name: runs_of(day.track, day.course, day.line, day.midnight) for day in days}
    pairs = [pair for day in days for pair in matched(day, results[day.name])]
    assert len(pairs) == 336
    assert sum(passage.counts for found in results.values() for passage in found.passages) == 336
    errors, off, late = np.abs(np.array(pairs)).T
    assert (errors <= 0.005).mean() >= 0.95
    assert (errors <= 0.02).mean() >= 0.99
    assert errors.max() <= 0.05
    assert off.max() <= 0.06
    assert (late == 0).mean() >= 0.97
    for day in days:
        best = max(passage.run.knots for passage in results[day.name].passages if passage.counts and passage.run)
        assert best == pytest.approx(max(run.knots for run in day.published), abs=0.005)


def test_the_one_published_run_that_is_none_accelerates_too_hard(days: list[RealDay]) -> None:
    (day,) = (day for day in days if day.name == "801_2023-10-11-0948.oao")
    found = runs_of(day.track, day.course, day.line, day.midnight)
    (refused,) = (p for p in found.passages if p.reason is Reason.ACCELERATION)
    assert refused.detail == "7.8 m/s²"
    assert refused.run is not None
    assert refused.run.knots == pytest.approx(33.632, abs=0.02)


def test_half_the_rate_changes_speeds_by_little(days: list[RealDay]) -> None:
    differences = []
    for day in days:
        half = replace(day.track, fixes=day.track.fixes[::2], rate=2)
        generous = replace(day.course, limits=Limits(5, 1, 100, 180))
        full = {round(start): end - start for start, end, _ in _runs(day, day.track, generous)}
        for start, end, _ in _runs(day, half, generous):
            near = [duration for when, duration in full.items() if abs(when - start) < 3]
            differences += [abs(500 / (end - start) - 500 / duration) * KNOTS for duration in near]
    assert len(differences) > 300
    assert np.quantile(differences, 0.95) < 0.05
    assert max(differences) < 0.12


def _runs(day: RealDay, track: Track, course: Course) -> list[tuple[float, float, float]]:
    return figures(runs_of(track, course, day.line, day.midnight))


def test_changes_beside_the_runs_change_no_run(days: list[RealDay]) -> None:
    """Ends of the line swapped, all at another time, rests added before and behind, the track cut after its runs."""
    for day in days:
        runs = _runs(day, day.track, day.course)
        swapped = Line(day.line.ends[::-1], day.line.direction)
        assert figures(runs_of(day.track, day.course, swapped, day.midnight)) == [
            pytest.approx(run, abs=1e-5) for run in runs
        ]
        fixes = day.track.fixes
        later = replace(day.track, fixes=replace(fixes, time=fixes.time + 3_600_000))
        assert figures(runs_of(later, day.course, day.line, day.midnight + 3600)) == [
            pytest.approx((start + 3600, end + 3600, course), abs=1e-5) for start, end, course in runs
        ]
        end = int(np.searchsorted(fixes.time, runs[-1][1] * 1000, side="right")) + 1
        assert _runs(day, replace(day.track, fixes=fixes[:end]), day.course) == runs
        between = int(np.searchsorted(fixes.time, (runs[2][1] + 1) * 1000))
        halves = (replace(day.track, fixes=fixes[:between]), replace(day.track, fixes=fixes[between:]))
        assert [run for half in halves for run in _runs(day, half, day.course)] == [
            pytest.approx(run, abs=1e-5) for run in runs
        ]


@given(
    st.floats(4, 30),
    st.floats(-40, 40),
    st.sampled_from([1, 5, 10]),
    st.floats(-45, 45),
    st.floats(0, 1),
    st.floats(0, 9),
)
def test_whatever_the_speed_course_and_rate_a_straight_run_is_measured_right(
    speed: float, course: float, rate: int, east: float, late: float, rest: float
) -> None:
    at = (east - 100 * math.tan(math.radians(course)), -100.0)
    seconds = 100 / speed / math.cos(math.radians(course)) + 500 / speed + 3
    track = sail([(seconds, speed, course)], at=at, start=NOON + round(late, 3), rate=rate)
    passage = only(track)
    assert passage.counts
    run = passage.run
    assert run is not None
    speed = round(speed, 3)
    assert run.duration == pytest.approx(500 / speed, rel=1e-4)
    assert (run.course - course + 180) % 360 - 180 == pytest.approx(0, abs=1e-3)
    assert run.start >= passage.time
    rested = sail([(rest + 1, 0.0, 0.0)], at=at, start=NOON - 600, rate=rate)
    both = track_of(
        replace(
            track.fixes,
            **{
                name: np.concatenate([getattr(rested.fixes, name), getattr(track.fixes, name)])
                for name in ("time", "latitude", "longitude", "speed", "course")
            },
        ),
        rate,
    )
    assert figures(sailed(both))[0] == pytest.approx((run.start, run.end, run.course), abs=1e-5)
