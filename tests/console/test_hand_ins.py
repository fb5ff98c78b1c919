"""The commands of the console about tracks that were handed in."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sse_twisted.console.hand_ins import HandInConsole
from sse_twisted.control.errors import CommandError
from tests.support.event import VirtualEvent
from tests.tracks import written


@pytest.fixture
def console(event: VirtualEvent) -> HandInConsole:
    """A console of an event in which a track waits for its owner."""
    event.person(601)
    event.person(602)
    collector = event.start()
    event.advance(1)
    (event.root / "hand-in/activity.sbp").write_bytes(written.sbp(written.points(100)))
    event.advance(8)
    return HandInConsole(collector.commands)


def said(event: VirtualEvent, running: Deferred[Any]) -> str:
    outcome: list[Any] = []
    running.addBoth(outcome.append)
    event.advance(1)
    return str(outcome[0])


def test_a_track_that_waits_is_listed_and_given_to_its_owner(event: VirtualEvent, console: HandInConsole) -> None:
    assert "whose is this?" in repr(console.hand_ins())
    given = said(event, console.give("activity.sbp", "ABC602XYZ", "Ann"))
    assert given == "gpslogs/20221019/ABC602XYZ_602_20221019_120000.sbp"
    assert "ABC602XYZ" in repr(console.hand_ins())


def test_a_decision_says_which_track_counts(event: VirtualEvent, console: HandInConsole) -> None:
    said(event, console.give("activity.sbp", "ABC602XYZ", "Ann"))
    assert said(event, console.prefer("activity.sbp", False, "not worn", "Ann")) == "decided"
    assert event.said("activity.sbp does not count on 2022-10-19, decided by Ann - not worn")


def test_mistakes_are_explained(event: VirtualEvent, console: HandInConsole) -> None:
    assert "no File ID 'NOBODY' on the roster" in said(event, console.give("activity.sbp", "NOBODY", "Ann"))
    with pytest.raises(CommandError, match="tracks of 0 days"):
        console.prefer("activity.sbp", True, "x", "Ann")
    assert "no hand-in 'other.sbp'" in said(event, console.give("other.sbp", "ABC601XYZ", "Ann"))
    assert "your name is required" in said(event, console.give("activity.sbp", "ABC601XYZ", " "))
