from __future__ import annotations

import errno
from pathlib import Path

import pytest

from sse_twisted.config.event_json import EventFacts
from sse_twisted.results.courses import course_files
from sse_twisted.results.courses.computation import Computation
from sse_twisted.results.courses.course_files import (
    FACTS,
    LAST_GOOD,
    courses_path,
    days_with_courses,
    read_courses,
    read_facts,
)
from sse_twisted.results.courses.decisions import PATH, Action, Decision, line_of
from sse_twisted.results.courses.gpsdata import compare, read_rows
from tests.results.courses.folder import DAY, NAME, PUBLISHED, S1, ZONE, Event, published_day
from tests.results.courses.sailing import NOON, sail
from tests.results.courses.test_buoys import moored


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
    assert courses.mistakes[0].startswith("line 1, at its end: a key in double quotes is missing")


def test_a_course_with_a_mistake_is_as_it_was_and_the_others_follow(event: Event) -> None:
    event.courses(S1=S1, S2=S1)
    event.knots()
    event.courses(S1=S1 | {"Direction": "north"}, S3=S1)
    results, courses = event.computation.day(DAY, event.people)
    assert list(results.courses) == ["S3", "S1"]
    assert courses.mistakes == ('S1: Direction: expected a number of degrees, such as 334.2, not "north"',)


def test_a_decided_key_that_does_not_fit_loses_no_course(event: Event) -> None:
    event.courses(S1=S1)
    for direction in (4000, "north"):
        courses = read_courses(event.root, DAY, {"S1": {"Direction": direction}})
        assert courses.mistakes[0].startswith("S1: Direction: ")
        assert courses.courses["S1"] == read_courses(event.root, DAY, {}).courses["S1"]


def test_a_folder_that_may_only_be_read_has_courses(event: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(course_files, "write_whole", refuse)
    event.courses(S1=S1)
    assert list(read_courses(event.root, DAY, {}).courses) == ["S1"]


def test_spoilt_facts_never_take_the_place_of_good_ones(event: Event) -> None:
    facts = event.root / FACTS
    facts.write_text('{"Time Zone": 60, "Courses": {"S": "Shore"}}')
    assert read_facts(event.root).zone == 60
    for spoilt in ("{", "[]", '{"Time Zone": "60"}'):
        facts.write_text(spoilt)
        found = read_facts(event.root)
        assert (found.zone, found.title("S1")) == (60, "Shore 1")
        assert found.mistakes
    facts.unlink()
    assert read_facts(event.root) == EventFacts()


def test_a_kept_version_that_is_spoilt_as_well_is_no_help_and_no_harm(event: Event) -> None:
    kept = event.root / LAST_GOOD / f"{DAY:%Y%m%d}.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{")
    event.courses(S1=S1, S2={"Direction": "north"})
    assert list(read_courses(event.root, DAY, {}).courses) == ["S1"]


def test_a_course_whose_name_begins_like_another_one_leaves_that_alone(event: Event) -> None:
    event.courses(S1=S1)
    event.knots()
    event.courses(**{"S1": S1 | {"Distance": 250}, "S1: old": S1})
    results, courses = event.computation.day(DAY, event.people)
    assert results.courses["S1"].placing.course.length == 250
    assert courses.mistakes[0].startswith("S1: old: invalid name")


def test_a_course_without_a_line_is_a_remark_and_no_runs(event: Event) -> None:
    event.courses(S1={"Start Time": "10:00", "End Time": "16:00"})
    event.track(601, sail([(90, 10, 0)]))
    results, _ = event.computation.day(DAY, event.people)
    assert results.courses["S1"].remarks == (
        "S1: no line: add Start Line or Start Buoys, and Direction, to courses.json",
    )
    assert results.files == {}
    assert event.jobs == []


def test_a_track_that_cannot_be_read_is_a_remark_and_read_again_later(
    event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    event.courses(S1=S1)
    event.track(601, sail([(90, 10, 0)]))
    path = event.track(602, sail([(90, 12, 0)]))
    monkeypatch.setattr("sse_twisted.results.courses.course_files.MAX_SIZE", path.stat().st_size - 1)
    (event.root / "gpslogs" / "20231007" / NAME.format(603)).mkdir()  # a folder is no track
    assert event.knots() == {}
    results, _ = event.computation.day(DAY, event.people)
    remarks = results.courses["S1"].remarks
    assert [remark.partition(":")[0] for remark in remarks] == [f"{NAME.format(n)} cannot be read" for n in (601, 602)]
    event.courses(S2={key: S1[key] for key in S1 if key != "Start Line"} | {"Start Buoys": [601, 602]})
    results, _ = event.computation.day(DAY, event.people)
    assert "S2: no line: the track of a buoy cannot be read: " in results.courses["S2"].remarks[0]
    event.courses(S1=S1)
    monkeypatch.undo()
    assert event.knots() == {"ABC602XYZ": 23.33, "ABC601XYZ": 19.44}


def test_two_buoys_place_the_line_and_are_in_no_ranking(event: Event) -> None:
    buoys = {key: value for key, value in S1.items() if key != "Start Line"} | {"Start Buoys": [621, "754"]}
    event.courses(S1=buoys)
    event.track(601, sail([(90, 10, 0)]))
    event.track(621, moored(at=(-50, 0), start=NOON - 3600))
    results, _ = event.computation.day(DAY, event.people)
    assert results.courses["S1"].remarks == ("S1: no line: no track of buoy 754 is here yet",)
    event.track(754, moored(swing=30, at=(50, 0), start=NOON - 12 * 3600))
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
    published = read_rows(published_day(captures, tmp_path).read_bytes())
    computation = Computation(tmp_path, ZONE)
    results, _ = computation.day(PUBLISHED, ())
    (written,) = computation.write(results).values()
    pairs = compare(read_rows((tmp_path / written.path).read_bytes()), published)
    assert len(pairs) == len(published) > 80
    assert all(pair.knots is not None for pair in pairs)
    assert sum(abs(pair.knots or 0) <= 0.01 for pair in pairs) >= 0.95 * len(pairs)
