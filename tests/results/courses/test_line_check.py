from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from sse_twisted.config.courses import Course, Line
from sse_twisted.results.courses.line_check import (
    STRETCHES,
    TrackCheck,
    check_track,
    effects,
    side_of,
    warnings,
)
from sse_twisted.results.courses.plane import Plane
from sse_twisted.results.courses.runs import runs_of
from sse_twisted.tracks.format import Track
from tests.results.courses.sailing import COURSE, LINE, MIDNIGHT, longer_line, real_days, sail

STRAIGHT = [(100.0, 10.0, 0.0)]


def checked(track: Track, entrant: str = "1", course: Course = COURSE, line: Line = LINE) -> TrackCheck:
    return check_track(entrant, runs_of(track, course, line, MIDNIGHT), MIDNIGHT)


def east(metres: float) -> Track:
    """A run that crosses the line, or its extension, so far east of its middle; the line ends at 50 m."""
    return sail(STRAIGHT, at=(metres, -100))


def changed(checks: Iterable[TrackCheck]) -> dict[tuple[int, float], tuple[int, int, int]]:
    return {(e.end, e.metres): (e.runs, e.gaining, e.losing) for e in effects(list(checks)) if e.runs or e.losing}


def test_a_run_beside_the_end_is_missed_by_so_many_metres() -> None:
    check = checked(east(57))
    assert (check.runs, check.entrant) == (0, "1")
    (miss,) = check.misses
    assert miss.end == 1
    assert miss.metres == pytest.approx(7, abs=0.01)
    assert miss.knots == pytest.approx(19.44, abs=0.01)
    assert checked(east(-57)).misses[0].end == 0


def test_a_run_within_the_line_or_far_beside_it_is_not_missed() -> None:
    for metres, runs in ((40, 1), (71, 0), (-300, 0)):
        check = checked(east(metres))
        assert (check.runs, check.misses) == (runs, ())
        assert set(check.stretched.values()) == {runs}


def test_a_longer_line_gains_what_it_reaches() -> None:
    checks = [checked(east(57), "1"), checked(east(53), "2"), checked(east(0), "3"), checked(east(-65), "3")]
    assert changed(checks) == {(0, 20.0): (1, 1, 0), (1, 5.0): (1, 1, 0), (1, 10.0): (2, 2, 0), (1, 20.0): (2, 2, 0)}


def test_a_longer_line_loses_what_crosses_its_extension_backwards() -> None:
    around = [(20.0, 10.0, 0.0), (5.0, 10.0, 90.0), (15.0, 10.0, 180.0), (5.0, 10.0, 270.0)]
    generous = replace(COURSE, limits=replace(COURSE.limits, acceleration=1000.0, heading=180.0))
    track = sail([*around, (80.0, 10.0, 0.0)], at=(4, -100))
    check = checked(track, course=generous)
    assert check.runs == 2
    assert check.stretched == {(end, metres): 2 - end for end in (0, 1) for metres in STRETCHES}
    assert changed([check])[1, 5.0] == (-1, 0, 1)


def test_an_end_is_named_by_its_compass_point() -> None:
    assert [side_of(LINE, end) for end in (0, 1)] == ["W", "E"]


def test_runs_beside_an_end_are_a_warning() -> None:
    checks = [checked(east(57)), checked(east(53), "2"), checked(east(0))]
    assert warnings(COURSE, LINE, checks) == (
        "2 runs of 2 tracks miss the E end of the line by 3.0 to 7.0 m: is the line too short?",
    )
    assert warnings(COURSE, LINE, checks[2:]) == ()


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ((50.575, 2.46), "the nearest stays 347 km away"),  # a minus is missing
        ((-50.575, 177.54), "the nearest stays 20,015 km away"),
        ((50.575, 179.9999), "the nearest stays 8,765 km away"),
    ],
)
def test_a_line_far_from_all_tracks_is_a_warning(place: tuple[float, float], text: str) -> None:
    plane = Plane(place)
    line = Line((plane.position(-50, 0), plane.position(50, 0)), 0)
    checks = [checked(east(metres), line=line) for metres in (-10, 0, 10)]
    assert [text in warning for warning in warnings(replace(COURSE, start=line), line, checks)] == [True]


def test_a_line_without_any_track_is_none() -> None:
    assert warnings(COURSE, LINE, []) == ()


def test_a_clock_that_is_an_hour_off_is_a_warning() -> None:
    late = [checked(sail(STRAIGHT, start=MIDNIGHT + 16 * 3600 + 300 * n)) for n in range(6)]
    (text,) = warnings(COURSE, LINE, late)
    assert text == (
        "0 runs in the hours of the course, but 6 if the clock were 1 h behind: "
        "check Start Time, End Time and expected.timezone"
    )
    assert warnings(replace(COURSE, closes=None), LINE, late) == ()


def test_a_few_runs_out_of_hours_are_no_warning() -> None:
    inside = [checked(sail(STRAIGHT, start=MIDNIGHT + 12 * 3600 + 300 * n)) for n in range(9)]
    late = [checked(sail(STRAIGHT, start=MIDNIGHT + 16 * 3600 + 300 * n)) for n in range(6)]
    assert warnings(COURSE, LINE, [*inside, *late]) == ()


def test_a_real_line_that_was_drawn_too_short_is_found_out(captures: Path) -> None:
    """The line of 2023-10-13 is cut where the tenth part of its runs is lost."""
    days = [day for day in real_days(captures) if "2023-10-13" in day.name]
    starts = [
        p.along for day in days for p in runs_of(day.track, day.course, day.line, day.midnight).passages if p.counts
    ]
    short = longer_line(days[0].line, 0, -float(np.quantile(starts, 0.1)))
    checks = [check_track(day.name, runs_of(day.track, day.course, short, day.midnight), day.midnight) for day in days]
    lost = len(starts) - sum(check.runs for check in checks)
    missed = sum(len(check.misses) for check in checks)
    assert lost >= missed > 5
    assert "miss the NE end of the line" in warnings(days[0].course, short, checks)[0]
