from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sse_twisted.config.courses import Line, parse_courses
from sse_twisted.results.courses.decisions import (
    Action,
    Decision,
    DecisionError,
    Decisions,
    changes_of,
    check,
    decide,
    iso,
    line_of,
    read_decisions,
    seconds_of,
)
from sse_twisted.results.courses.runs import Passage, Reason, Run
from tests.config.test_courses import SHORE

DAY = dt.date(2023, 10, 7)
TRACK = "ABC601XYZ_601_20231007_100000.oao"
NOON = 1_696_676_400.0
RUN = Passage(NOON, 50.0, Run(NOON, NOON + 50, 500, 0, 1, 2))
SLOW = Passage(NOON + 600, 50.0, Run(NOON + 600, NOON + 700, 500, 0, 3, 4), Reason.SLOW, "5.6 knots")
LOST = Passage(NOON + 1200, 50.0, None, Reason.UNFINISHED)


def decision(action: Action, number: int = 0, **keys: object) -> Decision:
    about = (
        {"day": DAY, "course": "S1", "track": TRACK, "run": iso(NOON)}
        if action in (Action.EXCLUDE, Action.COUNT)
        else {}
    )
    return Decision(time=iso(NOON + number), who="Ann", reason="false start", action=action, **(about | keys))  # type: ignore[arg-type]


def decided(*decisions: Decision) -> list[tuple[bool, str]]:
    in_force = Decisions(decisions).in_force
    return [(each.counts, each.why_not) for each in decide([RUN, SLOW, LOST], in_force, DAY, "S1", TRACK)]


AS_IS = [(True, ""), (False, "too slow: 5.6 knots"), (False, "did not finish")]


def test_without_a_decision_the_rule_counts() -> None:
    assert decided() == AS_IS


def test_a_run_is_excluded_with_its_reason() -> None:
    assert decided(decision(Action.EXCLUDE)) == [(False, "false start (Ann)"), *AS_IS[1:]]


def test_a_passage_that_was_none_is_counted() -> None:
    counted = decided(decision(Action.COUNT, run=iso(NOON + 600)))
    assert counted == [AS_IS[0], (True, ""), AS_IS[2]]


def test_a_passage_without_an_end_has_no_speed_to_count() -> None:
    assert decided(decision(Action.COUNT, run=iso(NOON + 1200))) == AS_IS


def test_none_of_a_withdrawn_track_counts() -> None:
    withdrawn = decided(decision(Action.WITHDRAW, track=TRACK), decision(Action.COUNT, 1))
    assert withdrawn == [(False, "false start (Ann)")] * 3


def test_decisions_about_other_tracks_days_and_courses_change_nothing() -> None:
    for other in ({"track": "other"}, {"day": DAY + dt.timedelta(1)}, {"course": "H1"}, {"run": iso(NOON + 300)}):
        assert decided(decision(Action.EXCLUDE, **other)) == AS_IS


def test_a_line_set_anew_moves_a_passage_and_the_decision_holds() -> None:
    moved = replace(RUN, time=NOON + 8)
    (found,) = decide([moved], [decision(Action.EXCLUDE)], DAY, "S1", TRACK)
    assert not found.counts


def test_the_later_of_two_decisions_counts() -> None:
    assert decided(decision(Action.EXCLUDE), decision(Action.COUNT, 1)) == AS_IS


def test_a_decision_is_undone_by_another_and_that_one_as_well() -> None:
    exclude = decision(Action.EXCLUDE)
    undo = decision(Action.UNDO, 1, undoes=exclude.time)
    assert decided(exclude, undo) == AS_IS
    assert decided(exclude, undo, decision(Action.UNDO, 2, undoes=undo.time))[0] == (False, "false start (Ann)")


def test_what_is_undone_from_another_day_changes_the_day_of_the_decision() -> None:
    exclude = decision(Action.EXCLUDE)
    undo = decision(Action.UNDO, 1, day=DAY + dt.timedelta(1), undoes=exclude.time)
    assert Decisions((exclude, undo)).state(DAY) != Decisions((exclude,)).state(DAY)


def test_a_course_is_set_anew_for_its_day() -> None:
    other = [[50.58, -2.459], [50.5785, -2.464]]
    made = (
        decision(Action.COURSE, day=DAY, course="S1", set={"Start Line": other}),
        decision(Action.COURSE, 1, day=DAY, course="S1", set={"End Time": "15:00"}),
        decision(Action.COURSE, 2, day=DAY + dt.timedelta(1), course="S1", set={"End Time": "12:00"}),
    )
    changes = changes_of(made, DAY)
    buoys = {key: value for key, value in SHORE.items() if key != "Start Line"} | {"Start Buoys": [621, 754]}
    for entry in (SHORE, buoys):
        courses = parse_courses(json.dumps({"S1": entry}).encode(), changes)
        assert courses.mistakes == ()
        course = courses.courses["S1"]
        assert isinstance(course.start, Line)
        assert course.start.ends == ((50.58, -2.459), (50.5785, -2.464))
        assert course.closes == 15 * 3600


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (decision(Action.EXCLUDE, track=""), "exclude: missing track"),
        (decision(Action.COUNT, day=None, run=""), "count: missing day, run"),
        (decision(Action.WITHDRAW), "withdraw: missing track"),
        (decision(Action.COURSE, day=DAY), "course: missing course, set"),
        (decision(Action.EXCLUDE, run="12:00"), "invalid time of a run '12:00'"),
        (decision(Action.UNDO), "no decision of"),
        (decision(Action.UNDO, undoes="yesterday"), "no decision of yesterday"),
    ],
)
def test_a_decision_that_says_too_little_is_refused(wrong: Decision, text: str) -> None:
    with pytest.raises(DecisionError, match=text):
        check(wrong, ())


def test_two_decisions_of_one_moment_are_refused() -> None:
    with pytest.raises(DecisionError, match="already"):
        check(decision(Action.EXCLUDE), [decision(Action.WITHDRAW).time])


def test_the_file_has_one_decision_a_line_in_the_order_in_which_they_were_made() -> None:
    made = (decision(Action.EXCLUDE), decision(Action.COURSE, 1, day=DAY, course="S1", set={"End Time": "15:00"}))
    data = b"".join(map(line_of, made))
    assert data.count(b"\n") == 2
    assert read_decisions(data) == Decisions(made)


def test_a_torn_line_is_named_and_the_others_count() -> None:
    one, other = line_of(decision(Action.EXCLUDE)), line_of(decision(Action.COUNT, 1))
    found = read_decisions(one + other[:30] + b"\n\n" + other + other[:10])
    assert [each.action for each in found.made] == [Action.EXCLUDE, Action.COUNT]
    assert [line for line, _ in found.unreadable] == [2, 5]


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_whatever_stands_in_the_file_the_good_lines_count(noise: list[bytes]) -> None:
    good = line_of(decision(Action.EXCLUDE))
    assert decision(Action.EXCLUDE) in read_decisions(b"\n".join([*noise, good])).made


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_is_exact_to_a_millisecond(milliseconds: int) -> None:
    assert seconds_of(iso(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=0.0006)


@pytest.mark.parametrize(
    "text", ["", "noon", "2023-10-07T12:00:00", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"]
)
def test_a_time_without_a_zone_or_a_date_everywhere_is_none(text: str) -> None:
    assert seconds_of(text) is None


def test_each_undone_decision_names_the_one_that_undoes_it() -> None:
    first = decision(Action.EXCLUDE)
    undo = decision(Action.UNDO, 1, undoes=first.time)
    redo = decision(Action.UNDO, 2, undoes=undo.time)
    assert Decisions((first, undo)).undone == {first.time: undo}
    assert Decisions((first, undo, redo)).undone == {undo.time: redo}
    assert Decisions((first, undo, redo)).in_force == (first,)
