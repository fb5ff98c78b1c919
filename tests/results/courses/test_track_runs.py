from __future__ import annotations

import lzma
import pickle
from pathlib import Path

import pytest
from msgspec.structs import replace

from sse_twisted.config.courses import Course, Finish
from sse_twisted.results.courses.runs import Reason
from sse_twisted.results.courses.track_runs import PlacedCourse, anywhere, track_runs
from sse_twisted.tracks.analysis import analyse
from tests.results.courses.sailing import COURSE, LINE, MIDNIGHT, NOON, real_days, sail

FREE = Course("C1", 10 * 3600, 16 * 3600, finish=Finish.ANYWHERE)


def test_a_track_is_computed_for_all_courses_of_the_day(captures: Path) -> None:
    (day,) = (day for day in real_days(captures) if day.name == "833_2023-10-13-0924.oao")
    data = lzma.decompress((captures / "courses" / "tracks" / f"{day.name}.xz").read_bytes())
    placed = PlacedCourse(day.course, day.line, day.midnight)
    elsewhere = PlacedCourse(replace(COURSE, name="H1"), LINE, day.midnight)
    found = track_runs(data, day.name, "1", (placed, elsewhere))
    assert found.rate == 5
    assert sum(passage.counts for passage in found.passages["S1"]) == 16
    assert found.checks["S1"].runs == 16
    assert found.checks["S1"].entrant == "1"
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own bytes


@pytest.mark.parametrize("data", [b"", b"no track", bytes(4096)])
def test_a_file_of_something_else_has_no_runs(data: bytes) -> None:
    found = track_runs(data, "x.oao", "1", (PlacedCourse(COURSE, LINE, MIDNIGHT),))
    assert (found.passages, found.left_out) == ({}, 0)


def test_anywhere_the_five_best_of_the_track_are_runs_in_order_of_time(captures: Path) -> None:
    data = (captures / "tracks" / "631_2022-10-21-1004.oao").read_bytes()
    analysis = analyse(data)
    assert analysis.session is not None
    midnight = analysis.session.start / 1000 - 11 * 3600
    found = anywhere(analysis.track, PlacedCourse(replace(FREE, opens=None, closes=None), None, midnight))
    assert [passage.time for passage in found] == sorted(passage.time for passage in found)
    best = max(passage.run.knots for passage in found if passage.run)
    assert best == pytest.approx(analysis.session.bests["500m"][0].value * 3.6 / 1852, abs=0.001)
    assert all(passage.run.length == 500 for passage in found if passage.run)


def test_anywhere_the_hours_count_too() -> None:
    track = sail([(120, 10, 30)], start=NOON)
    (inside,) = anywhere(track, PlacedCourse(FREE, None, MIDNIGHT))
    assert inside.counts
    assert inside.run is not None
    assert inside.run.course == pytest.approx(30, abs=0.1)
    (late,) = anywhere(track, PlacedCourse(FREE, None, MIDNIGHT - 5 * 3600))
    assert late.reason is Reason.AFTER_CLOSING


def test_a_course_that_is_not_placed_has_no_passages() -> None:
    assert anywhere(sail([(120, 10, 30)]), PlacedCourse(COURSE, None, MIDNIGHT)) == ()
