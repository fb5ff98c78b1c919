"""The courses of a day at the console: what was sailed, and decisions."""

from __future__ import annotations

import json

import pytest

from sse_twisted.results.courses.decisions import PATH
from tests.console.terminal import Caller, VirtualConsole
from tests.support.courses import S1, north, write_courses
from tests.support.event import VirtualEvent

TRACK = "ABC601XYZ_601_20221017_090000.oao"


@pytest.fixture
def guest(event: VirtualEvent) -> Caller:
    """Somebody at the console of a collector whose 601 has sailed a run."""
    write_courses(event.root, S1=S1)
    event.device(601, north(601, 10))
    event.person(602)
    event.arrive(601)
    collector = event.start()
    event.until("motion-601 can be disconnected")
    event.advance(4)
    return VirtualConsole(collector.commands).guest()


def test_the_ranking_is_a_table_with_what_is_still_to_come(guest: Caller) -> None:
    heading, course, columns, row = guest.sees("course()").splitlines()
    assert heading.startswith("2022-10-17 as of 09:0")
    assert heading.endswith("1 device of 2 may still bring a track")
    assert course == "S1: 1 run of 1 sailor"
    assert columns.split() == ["place", "sailor", "knots", "course", "time", "way", "runs"]
    assert row.split() == ["1", "Sailor", "601", "19.44", "S1", "09:00:59", "0", "1"]


def test_another_day_has_no_courses(guest: Caller) -> None:
    assert guest.sees('course("2022-10-16")').startswith("no courses on 2022-10-16; 0 devices of 2 ")
    assert guest.sees('course("x")') == "error: invalid date 'x': expected YYYY-MM-DD"


@pytest.mark.parametrize("sailor", ["601", '"ABC601XYZ"', '"abc601xyz"', '"sailor 60"'])
def test_a_sailor_is_found_by_device_file_id_or_name(guest: Caller, sailor: str) -> None:
    shown = guest.sees(f"runs({sailor})")
    assert shown.startswith("Sailor 601, 2022-10-17")
    assert "09:00:59  S1      19.438  0.0  run" in shown


def test_a_sailor_without_a_track_is_told(guest: Caller) -> None:
    assert guest.sees("runs(602)") == "error: no track of 602 on 2022-10-17"


def test_a_run_is_excluded_by_its_time_and_that_is_undone(guest: Caller, event: VirtualEvent) -> None:
    assert guest.sees('exclude(601, "09:00:59", "false start", "Bob")') == "decided; course() shows the decision"
    assert "false start (Bob)" in guest.sees("runs(601)")
    (line,) = (event.root / PATH).read_text().splitlines()
    decision = json.loads(line)
    assert (decision["who"], decision["reason"], decision["action"]) == ("Bob", "false start", "exclude")
    assert f"{decision['time']}  Bob  exclude S1 ABC601XYZ begun 09:00:10  false start" in guest.sees("course()")
    event.advance(1)
    guest.sees(f'undo("{decision["time"]}", "it was another", "Ann")')
    assert "19.44" in guest.sees("course()")


def test_a_decision_of_an_earlier_day_is_undone_without_naming_the_day(guest: Caller, event: VirtualEvent) -> None:
    guest.sees('set_course("S1", {"Finish": "anywhere"}, "a club day", "Bob", "2022-10-16")')
    decided = json.loads((event.root / PATH).read_text())["time"]
    guest.sees("course()")
    answer = "error: that decision is about 2022-10-16: undo it there"
    assert guest.sees(f'undo("{decided}", "none", "Ann", "2022-10-17")') == answer
    assert guest.sees(f'undo("{decided}", "none", "Ann")') == "decided; course() shows the decision"
    assert guest.sees(f'undo("{decided}", "none", "Ann")') == "error: Ann has undone that already"


def test_a_track_is_withdrawn_and_a_course_set_anew(guest: Caller) -> None:
    guest.sees('set_course("S1", {"Distance": 250}, "a short day", "Bob")')
    assert "09:00:34" in guest.sees("course()")
    guest.sees(f'withdraw("{TRACK}", "worn by another", "Bob")')
    assert "S1: 0 runs of 0 sailors" in guest.sees("course()")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ('exclude(601, "12:00:00", "x", "Bob")', "no passage of Sailor 601 at 12:00:00: runs() lists them"),
        ('count(601, "09:00:59", "x", "Bob")', "that run counts already"),
        ('withdraw("x", "y", "Bob")', "no track 'x' on 2022-10-17"),
        ('set_course("S1", {"Distance": 1}, "y", "Bob")', "S1: Distance: 1 m is out of range: expected 10 to 100000"),
        ('undo("x", "y", "Bob")', "not decided: no decision of x"),
        ('exclude(601, "09:00:59", "", "Bob")', "a decision needs a name and a reason"),
    ],
)
def test_what_cannot_be_decided_is_an_error_in_one_line(guest: Caller, line: str, answer: str) -> None:
    assert guest.sees(line) == f"error: {answer}"
