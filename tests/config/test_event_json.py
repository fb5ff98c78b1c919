from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.config.event_json import EventFacts, parse_event_facts
from tests.config.test_courses import JSON

FACTS: dict[str, Any] = {
    "Event": {"Name": "Weymouth Speed Week 2023", "Start Date": "2023-10-07", "End Date": "2023-10-13"},
    "Time Zone": 60,
    "Decimals": 3,
    "Courses": {"H": "Harbour", "S": "Shore"},
}


def facts_of(**changes: Any) -> EventFacts:
    return parse_event_facts(json.dumps(FACTS | changes).encode())


def test_the_facts_of_the_results_software_are_read() -> None:
    assert facts_of() == EventFacts(
        "Weymouth Speed Week 2023",
        dt.date(2023, 10, 7),
        dt.date(2023, 10, 13),
        60,
        3,
        {"H": "Harbour", "S": "Shore"},
    )


def test_a_course_has_the_name_that_people_know() -> None:
    facts = facts_of()
    assert [facts.title(course) for course in ("S1", "H2", "X", "S")] == ["Shore 1", "Harbour 2", "X", "Shore"]


def test_without_facts_times_are_local_and_speeds_have_two_decimals() -> None:
    facts = parse_event_facts(b"{}")
    assert (facts.zone, facts.decimals, facts.name, facts.mistakes) == (0, 2, "", ())


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"Time Zone": "60"}, "Time Zone: expected a whole number up to 840, got '60'"),
        ({"Time Zone": 3600}, "Time Zone: expected a whole number up to 840, got 3600"),
        ({"Decimals": -1}, "Decimals: expected a whole number up to 3, got -1"),
        ({"Event": {"Start Date": "7 October"}}, "Event.Start Date: expected a date such as 2023-10-07, got '7 Octob"),
    ],
)
def test_what_cannot_be_read_has_its_default_and_is_named(changes: dict[str, Any], mistake: str) -> None:
    facts = facts_of(**changes)
    assert mistake in facts.mistakes[0]
    assert (facts.zone, facts.decimals) in ((0, 3), (60, 2), (60, 3))


def test_a_zone_west_of_greenwich_is_negative() -> None:
    assert facts_of(**{"Time Zone": -210}).zone == -210


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff"])
def test_a_file_of_something_else_is_one_mistake(data: bytes) -> None:
    facts = parse_event_facts(data)
    assert len(facts.mistakes) == 1


@given(st.dictionaries(st.sampled_from(list(FACTS)), JSON))
def test_whatever_stands_there_there_are_facts(changes: dict[str, Any]) -> None:
    facts = facts_of(**changes)
    assert abs(facts.zone) <= 840
    assert 0 <= facts.decimals <= 3


def test_half_a_character_in_a_name_is_escaped() -> None:
    facts = parse_event_facts(b'{"Event": {"Name": "\\ud800"}, "Courses": {"S": "\\ud800"}}')
    assert facts.name == "\\xd800"
    assert facts.title("S1") == "\\xd800 1"
