from __future__ import annotations

import datetime as dt
import errno
import json
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sse_twisted.config.assignment import Assignment
from sse_twisted.config.settings import Expected, Settings
from sse_twisted.event_folder import files
from sse_twisted.results.courses import output
from sse_twisted.results.courses.course_files import FACTS, append_decision, courses_path
from sse_twisted.results.courses.decisions import Action, Decision, DecisionError, iso
from sse_twisted.results.courses.service import CourseService, DayOfCourses
from tests.support.courses import S1, drifting, north, write_courses
from tests.support.event import MORNING, VirtualEvent, begin_anew

DAY = dt.date(2022, 10, 17)
NAME = "ABC601XYZ_601_20221017_090000.oao"
BUOY_TRACK = "gpslogs/20221017/ABC{0}XYZ_{0}_20221017_090000.oao"
FILE = "gpsdata/20221017/GPSDATA_20221017_S1.csv"


def service(event: VirtualEvent) -> CourseService:
    assert event.collector is not None
    return event.collector.courses


def wait(event: VirtualEvent, coroutine: Coroutine[Deferred[Any], Any, Any]) -> Any:
    """The result of a coroutine, in virtual time."""
    found: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(found.append)
    event.advance(5)
    (result,) = found
    if hasattr(result, "raiseException"):
        result.raiseException()
    return result


def today(event: VirtualEvent) -> DayOfCourses:
    found: DayOfCourses = wait(event, service(event).day(DAY))
    return found


def ranked(event: VirtualEvent) -> list[tuple[str, float]]:
    return [(standing.sailor, standing.knots) for standing in today(event).results.ranking()]


@pytest.fixture
def course(event: VirtualEvent) -> VirtualEvent:
    """An event with a course today, at which 601 has sailed a run of 19.4 knots."""
    write_courses(event.root, S1=S1)
    event.device(601, north(601, 10))
    event.arrive(601)
    return event


def test_the_runs_of_a_device_stand_in_the_file_when_it_can_be_disconnected(course: VirtualEvent) -> None:
    course.start()
    course.until("motion-601 can be disconnected")
    course.advance(3)
    assert (course.root / FILE).read_text().startswith(f"1,{NAME},09:00:59,")
    assert ranked(course) == [("Sailor 601", 19.44)]


def test_a_roster_that_has_not_changed_is_not_read_line_by_line_at_each_look(
    course: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.start()
    course.until("motion-601 can be disconnected")
    course.advance(10)
    read: list[Assignment] = []
    entrant = Assignment.__dict__["entrant"]

    def note(assignment: Assignment) -> Any:
        read.append(assignment)
        return entrant.__get__(assignment)

    with monkeypatch.context() as patch:
        patch.setattr(Assignment, "entrant", property(note))
        course.advance(60)
    assert read == []
    course.people[0]["First Name"] = "Another"
    course.write_roster()
    course.advance(10)
    assert [name for name, _ in ranked(course)] == ["Another 601"]


def test_each_device_that_comes_in_is_ranked(course: VirtualEvent) -> None:
    changed: list[dt.date] = []
    course.device(602, north(602, 12))
    course.start()
    service(course).when_results_change(changed.append)
    course.until("motion-601 can be disconnected")
    course.arrive(602)
    course.until("motion-602 can be disconnected")
    course.advance(3)
    assert [knots for _, knots in ranked(course)] == [23.33, 19.44]
    assert set(changed) == {DAY}


def test_while_nothing_changes_nothing_is_computed(course: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    course.start()
    course.until("motion-601 can be disconnected")
    course.advance(5)
    monkeypatch.setattr(CourseService, "_compute", None)
    course.advance(60)
    assert not course.said("could not be updated")


def test_a_course_that_is_drawn_later_counts_for_what_is_here(event: VirtualEvent) -> None:
    event.device(601, north(601, 10))
    event.arrive(601)
    event.start()
    event.until("motion-601 can be disconnected")
    assert not (event.root / FILE).exists()
    write_courses(event.root, S1=S1)
    event.advance(5)
    assert (event.root / FILE).exists()


def test_a_corrected_roster_changes_who_is_ranked(course: VirtualEvent) -> None:
    course.start()
    course.until("motion-601 can be disconnected")
    course.people[0]["First Name"] = "Ann"
    course.write_roster()
    course.advance(10)
    assert ranked(course)[0][0].startswith("Ann")


@pytest.mark.parametrize("column", ["Entrant ID", "Craft Type"])
def test_a_corrected_cell_of_the_roster_changes_the_ranking(course: VirtualEvent, column: str) -> None:
    roster = course.folder.roster.read_text().splitlines()
    course.folder.roster.write_text(f"{roster[0]},{column}\n{roster[1]},7\n")
    course.start()
    course.until("motion-601 can be disconnected")
    today(course)
    course.folder.roster.write_text(f"{roster[0]},{column}\n{roster[1]},8\n")
    os.utime(course.folder.roster, (MORNING, MORNING))
    course.advance(10)
    (entrant,) = today(course).results.entrants.values()
    assert entrant.columns[column] == "8"
    assert entrant.key == ("8" if column == "Entrant ID" else "ABC601XYZ")


def test_another_time_zone_of_the_event_moves_the_hours_of_the_course(course: VirtualEvent) -> None:
    collector = course.start()
    course.until("motion-601 can be disconnected")
    course.advance(3)
    assert len(ranked(course)) == 1
    course.settings = Settings(expected=Expected(timezone=-60))
    collector.reload()
    course.advance(5)
    assert ranked(course) == []


def test_mistakes_are_told_once_and_the_last_good_version_counts(course: VirtualEvent) -> None:
    course.start()
    course.until("motion-601 can be disconnected")
    write_courses(course.root, S1=S1 | {"Direction": "north"})
    line = course.until("ERROR Courses of 2022-10-17")
    text = 'S1: Direction: expected a number of degrees, such as 334.2, not "north"; the last version without it counts'
    assert text in line
    course.advance(30)
    assert len(course.said("Courses of")) == 1
    assert len(ranked(course)) == 1


def test_spoilt_facts_of_the_event_are_told_and_move_no_times(course: VirtualEvent) -> None:
    facts = course.root / FACTS
    facts.write_text('{"Time Zone": 60}')
    course.start()
    course.until("motion-601 can be disconnected")
    course.advance(3)
    facts.write_text('{"Time Zone": 60')
    course.advance(10)
    assert (course.root / FILE).read_text().startswith(f"1,{NAME},08:00:59,")
    assert len(course.said("config/event.json: invalid JSON")) == 1


def test_a_file_of_the_other_program_stays_and_that_is_told(course: VirtualEvent) -> None:
    (course.root / FILE).parent.mkdir(parents=True)
    (course.root / FILE).write_text("by hand")
    course.start()
    line = course.until("was written or changed by another program")
    assert line == (f"WARN {FILE} was written or changed by another program and stays: ours is results/{FILE}")
    assert (course.root / FILE).read_text() == "by hand"
    assert today(course).written["S1"].foreign == b"by hand"


class TestAFolderThatCannotBeWritten:
    @pytest.fixture
    def locked(self, course: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> VirtualEvent:
        """Nobody may write in gpsdata/; that is not asked of the system, which lets root write everywhere."""

        def write_whole(path: Path, data: bytes) -> None:
            if "gpsdata" in path.parts:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            files.write_whole(path, data)

        monkeypatch.setattr(output, "write_whole", write_whole)
        course.start()
        course.until("motion-601 can be disconnected")
        course.advance(10)
        return course

    def test_is_told_once_and_the_ranking_is_complete(self, locked: VirtualEvent) -> None:
        (line,) = locked.said("cannot be written")
        assert line.startswith("ERROR The results files of 2022-10-17 cannot be written, retrying: ")
        assert ranked(locked) == [("Sailor 601", 19.44)]

    def test_tells_the_readers_of_the_page_once_only(self, locked: VirtualEvent) -> None:
        changed: list[dt.date] = []
        service(locked).when_results_change(changed.append)
        locked.advance(30)
        assert changed == []

    def test_has_its_file_as_soon_as_it_can(self, locked: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        locked.advance(10)
        assert (locked.root / FILE).exists()
        assert today(locked).trouble == ""


def decision(action: Action, **keys: Any) -> Decision:
    about: dict[str, Any] = {"day": DAY, "course": "S1", "track": NAME, "run": iso(MORNING / 1000 + 10)} | keys
    return Decision(time=iso(MORNING / 1000 + 999), who="Bob", reason="false start", action=action, **about)


def test_a_decision_counts_at_once_and_after_a_restart(course: VirtualEvent) -> None:
    course.start()
    course.until("motion-601 can be disconnected")
    course.advance(3)
    wait(course, service(course).decide(decision(Action.EXCLUDE)))
    assert course.until("INFO Bob decided: exclude S1")
    assert ranked(course) == []
    assert not (course.root / FILE).exists()
    begin_anew(course)
    course.advance(5)
    assert ranked(course) == []


def test_a_decision_that_says_too_little_is_refused_and_written_nowhere(course: VirtualEvent) -> None:
    course.start()
    with pytest.raises(DecisionError):
        wait(course, service(course).decide(decision(Action.EXCLUDE, track="")))
    assert not (course.root / "results").exists()


YESTERDAY = DAY - dt.timedelta(1)
OF_YESTERDAY = "gpsdata/20221016/GPSDATA_20221016_S1.csv"


@pytest.fixture
def two_days(course: VirtualEvent) -> VirtualEvent:
    """The event on its second day; yesterday 601 has sailed a run of 23.3 knots, and all is computed."""
    log = north(601, 12, MORNING - 86_400_000)
    folder = course.root / "gpslogs" / "20221016"
    folder.mkdir(parents=True)
    (folder / "ABC601XYZ_601_20221016_090000.oao").write_bytes(log.content)
    write_courses_of(course, YESTERDAY, S1)
    course.start()
    course.until("motion-601 can be disconnected")
    course.advance(10)
    course.stop()
    assert (course.root / OF_YESTERDAY).read_text().split(",")[4] == "23.326"
    return course


def write_courses_of(event: VirtualEvent, day: dt.date, course: dict[str, Any]) -> None:
    path = courses_path(event.root, day)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps({"S1": course}))


class TestAnEarlierDay:
    def test_that_has_not_changed_is_computed_when_it_is_asked_for(self, two_days: VirtualEvent) -> None:
        two_days.start()
        two_days.advance(10)
        assert service(two_days).known(YESTERDAY) is None
        assert wait(two_days, service(two_days).days()) == [YESTERDAY, DAY]
        found = wait(two_days, service(two_days).day(YESTERDAY))
        assert found.results.day == YESTERDAY
        assert service(two_days).known(YESTERDAY) == found

    def test_whose_course_changed_while_no_collector_ran_is_computed_at_the_start(self, two_days: VirtualEvent) -> None:
        write_courses_of(two_days, YESTERDAY, S1 | {"Distance": 250})
        two_days.start()
        two_days.advance(10)
        assert float((two_days.root / OF_YESTERDAY).read_text().split(",")[3]) == pytest.approx(250 / 12, abs=0.01)

    def test_whose_track_changed_while_no_collector_ran_is_computed_at_the_start(self, two_days: VirtualEvent) -> None:
        track = two_days.root / "gpslogs" / "20221016" / "ABC601XYZ_601_20221016_090000.oao"
        track.write_bytes(north(601, 15, MORNING - 86_400_000).content)
        two_days.start()
        two_days.advance(10)
        assert (two_days.root / OF_YESTERDAY).read_text().split(",")[4] == "29.158"

    def test_of_which_was_decided_while_no_collector_ran_is_computed_at_the_start(self, two_days: VirtualEvent) -> None:
        track = "ABC601XYZ_601_20221016_090000.oao"
        append_decision(two_days.root, decision(Action.WITHDRAW, day=YESTERDAY, track=track))
        two_days.start()
        two_days.advance(10)
        assert not (two_days.root / OF_YESTERDAY).exists()

    def test_whose_results_file_was_lost_has_it_again(self, two_days: VirtualEvent) -> None:
        (two_days.root / OF_YESTERDAY).unlink()
        two_days.start()
        two_days.advance(10)
        assert (two_days.root / OF_YESTERDAY).exists()

    def test_whose_courses_are_deleted_has_no_results_file(self, two_days: VirtualEvent) -> None:
        two_days.start()
        two_days.advance(10)
        courses_path(two_days.root, YESTERDAY).unlink()
        two_days.advance(10)
        assert not (two_days.root / OF_YESTERDAY).exists()

    @pytest.mark.parametrize("path", ["config/sessions/20221016/courses.json", "gpslogs/20221016"])
    def test_that_cannot_be_read_keeps_no_other_waiting(self, two_days: VirtualEvent, path: str) -> None:
        spoilt = two_days.root / path
        spoilt.rename(spoilt.with_name("away"))
        spoilt.mkdir() if spoilt.suffix else spoilt.write_text("")
        two_days.device(602, north(602, 11))
        two_days.arrive(602)
        two_days.start()
        two_days.until("motion-602 can be disconnected")
        two_days.advance(20)
        assert len(ranked(two_days)) == 2
        assert len(two_days.said("The courses cannot be read, retrying: ")) == 1
        spoilt.rmdir() if spoilt.suffix else spoilt.unlink()
        spoilt.with_name("away").rename(spoilt)
        write_courses_of(two_days, YESTERDAY, S1 | {"Distance": 250})
        two_days.advance(10)
        assert float((two_days.root / OF_YESTERDAY).read_text().split(",")[3]) == pytest.approx(250 / 12, abs=0.01)

    def test_does_not_keep_today_waiting(self, two_days: VirtualEvent) -> None:
        folder = two_days.root / "gpslogs" / "20221016"
        for number in range(602, 652):
            log = north(number, 12, MORNING - 86_400_000)
            (folder / f"ABC{number}XYZ_{number}_20221016_090000.oao").write_bytes(log.content)
        two_days.device(602, north(602, 11))
        two_days.arrive(602)
        two_days.start()
        two_days.until("motion-602 can be disconnected")
        two_days.advance(2.5)
        assert len(ranked(two_days)) == 2
        assert service(two_days).known(YESTERDAY) is None
        two_days.advance(15)
        assert (two_days.root / OF_YESTERDAY).read_text().count("\n") == 51


def test_slow_tracks_of_buoys_are_collected_and_place_the_line(event: VirtualEvent) -> None:
    """The filter would skip them: a buoy drifts with less than a knot."""
    course = {key: value for key, value in S1.items() if key != "Start Line"}
    for number, shift in ((611, -0.001), (612, 0.001)):
        event.device(number, drifting(number, shift))
    event.device(601, north(601, 10))
    event.arrive(601, 611, 612)
    event.start()
    event.until("motion-612 can be disconnected")
    assert not event.tracks().keys() & {BUOY_TRACK.format(611), BUOY_TRACK.format(612)}
    write_courses(event.root, S1=course | {"Start Buoys": ["611", "612"]})
    event.advance(30)
    assert event.tracks().keys() >= {BUOY_TRACK.format(611), BUOY_TRACK.format(612)}
    assert ranked(event) == [("Sailor 601", 19.44)]


def test_courses_that_cannot_be_read_are_told_once_and_read_again_later(event: VirtualEvent) -> None:
    courses_path(event.root, DAY).mkdir(parents=True)
    event.device(601, north(601, 10))
    event.arrive(601)
    event.start()
    assert event.until("WARN The courses cannot be read, retrying: ")
    event.advance(30)
    assert len(event.said("cannot be read")) == 1
    courses_path(event.root, DAY).rmdir()
    write_courses(event.root, S1=S1)
    event.until("motion-601 can be disconnected")
    event.advance(5)
    assert (event.root / FILE).exists()
