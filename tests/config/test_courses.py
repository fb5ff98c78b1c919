from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.config.courses import (
    EXAMPLES,
    KEYS,
    BuoyLine,
    Course,
    Courses,
    CoursesError,
    Finish,
    Limits,
    Line,
    parse_courses,
)

SHORE: dict[str, Any] = {
    "Start Time": "10:00:00",
    "End Time": "16:01:00",
    "Start Line": [[50.5757867, -2.4572643], [50.5741303, -2.4626515]],
    "Direction": 334.23,
}
SECOND = [[50.5800, -2.4590], [50.5785, -2.4640]]


def courses_of(**courses: Any) -> Courses:
    return parse_courses(json.dumps(courses).encode())


def shore(**changes: Any) -> Courses:
    """The course S1 with further or other keys; None removes a key."""
    entry = {key: value for key, value in (SHORE | changes).items() if value is not None}
    return courses_of(S1=entry)


def only(courses: Courses) -> Course:
    assert courses.mistakes == courses.remarks == ()
    (course,) = courses.courses.values()
    return course


def mistake(courses: Courses) -> str:
    assert not courses.courses
    (text,) = courses.mistakes
    return text


def test_a_course_has_times_and_a_line_that_counts_in_one_direction() -> None:
    line = Line(((50.5757867, -2.4572643), (50.5741303, -2.4626515)), 334.23)
    assert only(shore()) == Course("S1", 36_000, 57_660, 500.0, line, Finish.ARC, Limits())


def test_a_file_of_the_original_has_times_and_no_line() -> None:
    courses = courses_of(S1={"Start Time": "10:00:00", "End Time": "16:01:00"}, H1={"Comment": "not used today"})
    assert courses.mistakes == courses.remarks == ()
    assert courses.courses["S1"] == Course("S1", 36_000, 57_660)
    assert courses.courses["S1"].has_times
    assert not courses.courses["H1"].has_times


def test_the_default_counts_for_each_course_that_does_not_say_otherwise() -> None:
    courses = courses_of(Default=SHORE, S1={}, S2={"End Time": "12:00"}, Comment="Thursday")
    assert [course.closes for course in courses.courses.values()] == [57_660, 43_200]
    assert courses.courses["S2"].start == courses.courses["S1"].start


def test_a_default_without_a_course_is_worth_a_remark() -> None:
    courses = courses_of(Default=SHORE)
    assert courses.remarks == ('Default: there is no course; add one, such as {"S1": {}}',)


def test_two_devices_on_buoys_place_a_line() -> None:
    course = only(shore(**{"Start Line": None, "Start Buoys": ["621", 754]}))
    assert course.start == BuoyLine((621, 754), 334.23)
    assert course.buoys == (621, 754)
    assert only(shore()).buoys == ()


def test_a_run_ends_after_its_length_or_at_a_second_line() -> None:
    assert only(shore(Distance=250)).length == 250
    gates = only(shore(Finish=SECOND))
    assert gates.finish == Line(((50.58, -2.459), (50.5785, -2.464)), 334.23)
    assert gates.length is None
    assert only(shore(Finish=SECOND, Distance=480)).length == 480
    assert only(shore(Finish="arc")).finish is Finish.ARC


def test_a_club_day_has_no_line() -> None:
    course = only(courses_of(C1={"Finish": "anywhere"}))
    assert (course.start, course.finish, course.length) == (None, Finish.ANYWHERE, 500.0)


def test_a_session_over_midnight_ends_after_24_hours() -> None:
    assert only(shore(**{"Start Time": "22:00", "End Time": "26:00:00"})).closes == 93_600


def test_each_limit_can_be_set() -> None:
    limits = {"Gap": 5, "Speed": 2, "Acceleration": 20, "Heading": 90}
    assert only(shore(Limits=limits)).limits == Limits(5, 2, 20, 90)


def test_a_long_name_or_value_is_cut() -> None:
    found = parse_courses(json.dumps({"x" * 10_000: {}, "S1": {"End Time": "9" * 10_000}}).encode())
    long_name, long_value = found.mistakes
    assert long_name.startswith("xxx")
    assert "…: invalid name: expected 1 to 20" in long_name
    assert long_value.startswith("S1: End Time: invalid time '999")
    assert max(map(len, found.mistakes)) <= 300


@pytest.mark.parametrize(
    ("entry", "default", "is_in_file"),
    [
        ({}, {"Start Time": "10:00", "End Time": "16:01"}, True),
        ({"Start Time": None, "End Time": "16:01"}, {}, False),
        ({"Start Time": None}, {"Start Time": "10:00", "End Time": "16:01"}, False),
    ],
)
def test_hours_that_are_null_are_not_in_the_file(entry: Any, default: Any, is_in_file: bool) -> None:
    decided = {"S1": {"Start Time": "10:00", "End Time": "16:00"}}
    found = parse_courses(json.dumps({"S1": entry, "Default": default}).encode(), decided)
    assert found.courses["S1"].is_in_file is is_in_file


@pytest.mark.parametrize(
    "text", ['{"S1": {}, "S1": {}}', '{"S1": {"Distance": 250, "S1": 1, "Distance": 500, "S1": 2}}']
)
def test_a_key_that_stands_twice_is_a_mistake(text: str) -> None:
    with pytest.raises(CoursesError, match=r"'(S1|Distance)' is there twice"):
        parse_courses(text.encode())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"Start Line": [[50.57, -2.45]]},
            "S1: Start Line: expected two points, each latitude and longitude in degrees, such as [[",
        ),
        ({"Start Line": [[50.57, -2.45]] * 2}, "S1: Start Line: its points are 0 m apart; expected 2 to 5,000 m"),
        ({"Start Line": [[50.57, -2.45], [50.57, -1.75]]}, "its points are 49,436 m apart; expected 2 to 5,000 m"),
        (
            {"Start Line": [[-2.45, 150.57], [-2.46, 150.57], [0, 0]]},
            "Start Line: expected two points, each latitude and longitude",
        ),
        ({"Start Line": [[150.57, -2.45], [150.57, -2.46]]}, "invalid position [150.57, -2.45]: expected latitude, lo"),
        ({"Direction": None}, "S1: Direction: missing; it is the course of a run across the line, in degrees true"),
        ({"Direction": 65}, "S1: Direction: 65 is along the line of Start Line; expected the course across it"),
        ({"Direction": "north"}, 'S1: Direction: expected a number of degrees, such as 334.2, not "north"'),
        ({"Start Buoys": [621, 754]}, "S1: Start Line and Start Buoys exclude each other: keep one of them"),
        ({"End Time": "09:00"}, "S1: End Time: 09:00 is not after Start Time 10:00:00; write 26:00:00 for 2 in"),
        ({"End Time": "16h"}, "S1: End Time: invalid time '16h': expected HH:MM:SS"),
        ({"End Time": "48:00"}, "S1: End Time: invalid time '48:00': expected HH:MM:SS"),
        ({"Direction": 3342}, "S1: Direction: 3342 is out of range: expected degrees true, 0 to 360"),
        ({"Distance": 0}, "S1: Distance: 0 m is out of range: expected 10 to 100000"),
        ({"Finish": "line"}, "S1: Finish: invalid value 'line': expected arc, anywhere or two points"),
        ({"Finish": SECOND, "Start Line": None}, "S1: Finish: a finish line needs a Start Line or Start Buoys"),
        ({"Limits": {"Gap": 0}}, "S1: Limits.Gap: 0 is out of range: expected more than 0"),
        (
            {"Limits": {"Gaps": 1}},
            'S1: Limits: expected numbers of Gap, Speed, Acceleration, Heading, such as {"Gap": 2.5}, not {"Ga',
        ),
    ],
)
def test_a_mistake_is_told_with_its_key(changes: dict[str, Any], text: str) -> None:
    assert text in mistake(shore(**changes))


@pytest.mark.parametrize("key", KEYS)
def test_each_key_has_an_example_that_is_taken(key: str) -> None:
    line = {"Start Line": None} if key == "Start Buoys" else {}
    assert only(shore(**line, **{key: EXAMPLES[key]}))


def test_a_line_as_text_is_answered_with_one_as_it_should_be() -> None:
    assert mistake(shore(**{"Start Line": "50.57 N, 2.45 W"})) == (
        "S1: Start Line: expected two points, each latitude and longitude in degrees, "
        'such as [[50.57579, -2.45726], [50.57413, -2.46265]], not "50.57 N, 2.45 W"'
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"S1": {"Start Time": "10:00"\n "End Time": "11:00"}}', 'line 2, at \'"End Time": "11:00"}}\': a comma or a'),
        ('{"S1": {"Start Time": "10:00",}}', "line 1, at .*a comma is too many"),
        ("{S1: {}}", r"line 1, at 'S1: {}}': a key in double quotes is missing"),
        ('{"S1": {"Start Time" "10:00"}}', "line 1, at .*: a colon is missing between a key and its value"),
        ('{"S1": {"Start Time": 10:00}}', "line 1, at ':00}}': a comma"),
        ('{"S1": {"Start Time": noon}}', "line 1, at 'noon}}': a value is missing, or a text is not in double quotes"),
        ('{"S1": {"Start Time": "10:00}}', "line 1, at .*: a text has no closing quote"),
        ('{"S1": {}}\n}', "line 2, at '}': this is behind the closing bracket"),
        ("", "line 1, at its end: a value is missing"),
    ],
)
def test_a_file_that_is_no_json_is_answered_with_the_line_and_an_example(text: str, why: str) -> None:
    with pytest.raises(CoursesError, match=rf'^{why}.* An example: {{"S1": {{"Start Time": "10:00:00"'):
        parse_courses(text.encode())


@pytest.mark.parametrize("buoys", [["621", "x"], [621, 621], [0, 754]])
def test_buoys_are_two_devices(buoys: list[Any]) -> None:
    assert "S1: Start Buoys: expected" in mistake(shore(**{"Start Line": None, "Start Buoys": buoys}))


def test_a_mistake_in_one_course_leaves_the_others() -> None:
    courses = courses_of(S1=SHORE, S_2=SHORE, H1=[])
    assert list(courses.courses) == ["S1"]
    assert courses.mistakes == (
        "S_2: invalid name: expected 1 to 20 letters, digits and hyphens, such as S1",
        'H1: expected keys in braces, such as {"Start Time": "10:00:00"}',
    )


def test_a_misspelt_key_is_worth_a_remark_and_a_foreign_one_is_not() -> None:
    courses = shore(**{"Start line": SECOND, "Wind": "SW 5"})
    assert courses.remarks == ("S1: 'Start line' has no meaning; did you mean 'Start Line'?",)
    assert list(courses.courses) == ["S1"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe{}", b"[" * 100_000])
def test_a_file_without_courses_is_refused(data: bytes) -> None:
    with pytest.raises(CoursesError):
        parse_courses(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_whatever_stands_there_is_a_course_or_a_mistake(entry: dict[str, Any]) -> None:
    courses = courses_of(S1=SHORE | entry)
    assert bool(courses.courses) != bool(courses.mistakes)


def test_the_lines_of_six_real_days_are_read(captures: Path) -> None:
    for entry in json.loads((captures / "courses" / "courses.json").read_text()).values():
        line = {"Start Line": entry["start_line"], "Direction": entry["direction_deg"]}
        course = only(courses_of(S1=line | {"Start Time": entry["opens_local"], "End Time": entry["closes_local"]}))
        assert isinstance(course.start, Line)


def test_two_names_that_differ_in_case_only_are_a_mistake() -> None:
    courses = parse_courses(b'{"S1": {}, "s1": {}}')
    assert list(courses.courses) == ["S1"]
    text = "s1: differs from S1 in case only: on some disks both have the same results file"
    assert courses.mistakes == (text,)


def test_hours_that_were_decided_are_not_in_the_file() -> None:
    hours = {"Start Time": "10:00", "End Time": "16:00"}
    for file, is_known in ((b'{"S1": {}}', False), (b'{"Default": {"Start Time": "9:00", "End Time": "17:00"}}', True)):
        course = parse_courses(file, {"S1": hours}).courses["S1"]
        assert (course.has_hours, course.has_times) == (True, is_known)
