from __future__ import annotations

import csv
import datetime as dt
import json
import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sse_twisted.config.assignment import Assignment
from sse_twisted.results.courses.computation import Computation, Job, in_turn
from sse_twisted.results.courses.course_files import courses_path, days_with_courses
from sse_twisted.results.courses.decisions import PATH, Action, Decision, line_of
from sse_twisted.results.courses.gpsdata import compare, read_rows
from sse_twisted.results.courses.track_runs import TrackRuns
from sse_twisted.simulator.writer import write_track
from sse_twisted.tracks.format import Track
from sse_twisted.tracks.oao.layout import FRAME
from tests.results.courses.sailing import LINE, NOON, sail
from tests.results.courses.test_buoys import moored

DAY = dt.date(2023, 10, 7)
ZONE = dt.timezone(dt.timedelta(hours=1))
S1: dict[str, Any] = {
    "Start Time": "10:00",
    "End Time": "16:00",
    "Start Line": [list(end) for end in LINE.ends],
    "Direction": 0,
}
NAME = "ABC{0}XYZ_{0}_20231007_100000.oao"


def as_file(track: Track, number: int) -> bytes:
    """A decoded track as the file of a device."""
    fixes = np.zeros(len(track.fixes), FRAME)
    fixes["utc"] = track.fixes.time
    fixes["latitude"] = np.round(track.fixes.latitude * 1e7)
    fixes["longitude"] = np.round(track.fixes.longitude * 1e7)
    fixes["speed"] = track.fixes.speed
    fixes["heading"] = track.fixes.course
    fixes["fix"], fixes["satellites"], fixes["hdop"], fixes["speed_accuracy"] = 3, 16, 80, 289
    return write_track(fixes, identifier=number, nickname="WSW", logging_threshold=0)


class Event:
    """An event folder with tracks and courses, and what was computed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.jobs: list[str] = []
        self.computation = Computation(root, ZONE, self._do)
        self.people: list[Assignment] = []

    def _do(self, jobs: Sequence[Job]) -> Iterator[TrackRuns]:
        self.jobs += [job.file.name for job in jobs]
        return in_turn(jobs)

    def courses(self, **courses: Any) -> None:
        path = courses_path(self.root, DAY)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(courses))

    def track(self, number: int, track: Track) -> Path:
        path = self.root / "gpslogs" / "20231007" / NAME.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_file(track, number))
        self.people.append(Assignment(number, DAY, DAY, f"ABC{number}XYZ", f"Sailor {number}", "", 2))
        return path

    def knots(self) -> dict[str, float]:
        results, _ = self.computation.day(DAY, self.people)
        return {standing.entrant: standing.knots for standing in results.ranking()}


@pytest.fixture
def event(tmp_path: Path) -> Event:
    event = Event(tmp_path)
    event.courses(S1=S1)
    return event


def test_the_tracks_of_a_day_are_computed_and_its_file_is_written(event: Event) -> None:
    event.track(601, sail([(90, 10, 0)]))
    event.track(602, sail([(90, 12, 0)]))
    results, courses = event.computation.day(DAY, event.people)
    assert courses.mistakes == ()
    assert [(s.entrant, s.knots) for s in results.ranking()] == [("ABC602XYZ", 23.33), ("ABC601XYZ", 19.44)]
    event.computation.write(results)
    file = event.root / "gpsdata" / "20231007" / "GPSDATA_20231007_S1.csv"
    assert file.read_text().splitlines()[0].startswith(f"1,{NAME.format(601)},12:00:59,50.000,19.438,0.0")


def test_only_what_has_changed_is_computed_again(event: Event) -> None:
    event.track(601, sail([(90, 10, 0)]))
    event.knots()
    event.track(602, sail([(90, 12, 0)]))
    event.knots()
    event.knots()
    assert event.jobs == [NAME.format(601), NAME.format(602)]
    event.courses(S1=S1 | {"Distance": 250})
    event.knots()
    assert len(event.jobs) == 4


def test_a_track_that_is_gone_has_no_runs(event: Event) -> None:
    event.track(601, sail([(90, 10, 0)])).unlink()
    event.track(602, sail([(90, 12, 0)]))
    assert event.knots() == {"ABC602XYZ": 23.33}


def test_hidden_and_foreign_files_are_no_tracks(event: Event) -> None:
    path = event.track(601, sail([(90, 10, 0)]))
    for name in (f".{path.name}.part", "notes.txt", "ABC_1_20231007_100000.xyz"):
        (path.parent / name).write_bytes(path.read_bytes())
    (path.parent / NAME.format(609)).symlink_to("/etc/hostname")
    event.knots()
    assert event.jobs == [path.name]


def test_a_spoilt_file_never_takes_the_place_of_a_good_one(event: Event) -> None:
    event.track(601, sail([(90, 10, 0)]))
    assert event.knots()
    courses_path(event.root, DAY).write_text('{"S1": {')
    after_a_restart = Computation(event.root, ZONE)
    results, courses = after_a_restart.day(DAY, event.people)
    assert results.ranking()[0].knots == 19.44
    assert courses.mistakes[0].startswith("invalid JSON")


def test_a_course_with_a_mistake_is_as_it_was_and_the_others_follow(event: Event) -> None:
    event.courses(S1=S1, S2=S1)
    event.knots()
    event.courses(S1=S1 | {"Direction": "north"}, S3=S1)
    results, courses = event.computation.day(DAY, event.people)
    assert list(results.courses) == ["S3", "S1"]
    assert courses.mistakes == ("S1: Direction: Expected `float | null`, got `str`",)


def test_a_course_without_a_line_is_a_remark_and_no_runs(event: Event) -> None:
    event.courses(S1={"Start Time": "10:00", "End Time": "16:00"})
    event.track(601, sail([(90, 10, 0)]))
    results, _ = event.computation.day(DAY, event.people)
    assert results.courses["S1"].remarks == (
        "S1: no line: add Start Line or Start Buoys, and Direction, to courses.json",
    )
    assert results.files == {}
    assert event.jobs == []


def test_two_buoys_place_the_line_and_are_in_no_ranking(event: Event) -> None:
    buoys = {key: value for key, value in S1.items() if key != "Start Line"} | {"Start Buoys": [621, "754"]}
    event.courses(S1=buoys)
    event.track(601, sail([(90, 10, 0)]))
    event.track(621, moored(at=(-50, 0), start=NOON - 3600))
    results, _ = event.computation.day(DAY, event.people)
    assert results.courses["S1"].remarks == (
        "S1: no line: the tracks of buoy 754 have no slow fixes in the hours of the course",
    )
    event.track(754, moored(swing=30, at=(50, 0), start=NOON - 3600))
    results, _ = event.computation.day(DAY, event.people)
    assert [s.entrant for s in results.ranking()] == ["ABC601XYZ"]
    placing = results.courses["S1"].placing
    assert [buoy.number for buoy in placing.buoys] == [621, 754]
    assert "buoy 754 moved: 10 % of its fixes are more than 30 m off" in placing.remarks[0]


def test_a_decision_counts_at_once_and_after_a_restart(event: Event) -> None:
    event.track(601, sail([(90, 10, 0)]))
    assert event.knots()
    withdraw = Decision(
        time="2023-10-07T18:00:00Z", who="Ann", reason="not his", action=Action.WITHDRAW, track=NAME.format(601)
    )
    (event.root / PATH).parent.mkdir()
    (event.root / PATH).write_bytes(line_of(withdraw))
    assert event.knots() == {}
    assert len(event.jobs) == 1


def test_the_days_with_courses_are_those_of_the_folder(event: Event) -> None:
    for name in ("20231008", "2023-10-09", "notes", "20239999"):
        (event.root / "config" / "sessions" / name).mkdir()
    assert days_with_courses(event.root) == [DAY]
    assert days_with_courses(event.root / "nowhere") == []


def test_a_real_day_is_the_published_file(captures: Path, tmp_path: Path) -> None:
    """The tracks of 2023-10-13, one of which has runs that are 0.006 to 0.04 knots off."""
    lines = json.loads((captures / "courses" / "courses.json").read_text())["20231013_S1"]
    runs = list(csv.DictReader((captures / "courses" / "runs.csv").read_text().splitlines()))
    day = dt.date(2023, 10, 13)
    path = courses_path(tmp_path, day)
    path.parent.mkdir(parents=True)
    path.write_text(
        json.dumps(
            {
                "S1": {
                    "Start Time": lines["opens_local"],
                    "End Time": lines["closes_local"],
                    "Start Line": lines["start_line"],
                    "Direction": lines["direction_deg"],
                }
            }
        )
    )
    published, folder = [], tmp_path / "gpslogs" / "20231013"
    folder.mkdir(parents=True)
    for file in sorted((captures / "courses" / "tracks").glob("*2023-10-13*.xz")):
        number, _, start = file.name.removesuffix(".oao.xz").partition("_")
        name = f"XYZ{number}ABC_{number}_20231013_{start[-4:]}00.oao"
        (folder / name).write_bytes(lzma.decompress(file.read_bytes()))
        rows = [run for run in runs if run["track"] == file.name.removesuffix(".xz")]
        published += [
            f"{run['run']},{name},{run['time_local']},{run['duration_s']},{run['speed_kn']},{run['course_deg']}"
            for run in rows
        ]
    computation = Computation(tmp_path, ZONE)
    results, _ = computation.day(day, ())
    (written,) = computation.write(results).values()
    pairs = compare(read_rows((tmp_path / written.path).read_bytes()), read_rows("\n".join(published).encode()))
    assert len(pairs) == len(published) > 80
    assert all(pair.knots is not None for pair in pairs)
    assert sum(abs(pair.knots or 0) <= 0.01 for pair in pairs) >= 0.95 * len(pairs)
