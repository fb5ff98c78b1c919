from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from sse_twisted.config import roster_reader
from sse_twisted.config.roster import Roster, parse_roster
from sse_twisted.config.settings import Devices, Settings
from sse_twisted.visits.runner import VisitRunner
from tests.support.event import MORNING, VirtualEvent, log_of
from tests.support.virtual import asked_for, at_once

DAY = 86_400_000  # ms


def test_a_device_that_is_added_while_we_run_is_looked_for_at_once(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.start()
    event.advance(5)
    event.device(602, log_of(602))
    event.arrive(602)
    event.until("Roster: added motion-602 ABC602XYZ Sailor 602, 2022-10-15 to 2022-10-21", 5)
    assert event.until("motion-602 is connected", 1)


def test_a_changed_owner_has_the_track_under_the_new_name(event: VirtualEvent) -> None:
    event.collect()
    event.people[0]["File ID"] = "NEW"
    event.write_roster()
    event.until("Roster: removed motion-601 ABC601XYZ")
    event.until("motion-601 ABC601XYZ_601_20221017_090000.oao is now NEW_601_20221017_090000.oao: Sailor 601")
    event.advance(2)
    assert event.is_collected(601)
    assert list(event.tracks()) == ["gpslogs/20221017/NEW_601_20221017_090000.oao"]


def test_a_new_owner_during_the_verdict_delays_it(event: VirtualEvent) -> None:
    def compare_slowly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        result = at_once(function, *args, **kwargs)
        if getattr(asked_for(function, *args), "__func__", None) is not VisitRunner._look:
            return result
        return result.addCallback(lambda comparison: deferLater(event.reactor, 3.0, lambda: comparison))

    event.start_in_thread = compare_slowly
    event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    event.until("downloaded")
    event.advance(0.5)
    event.people[0]["File ID"] = "NEW"
    event.write_roster()
    event.until("can be disconnected")
    assert event.said("Roster: added motion-601 NEW")
    assert "gpslogs/20221017/NEW_601_20221017_090000.oao" in event.tracks()
    event.advance(30)
    assert len(event.said("can be disconnected")) == 1


def test_an_edit_wakes_only_the_devices_that_it_concerns(event: VirtualEvent) -> None:
    one, other = event.device(601, log_of(601)), event.device(602, log_of(602))
    event.arrive(601, 602)
    event.start()
    event.until("motion-602 can be disconnected")
    event.until("motion-601 can be disconnected")
    one.requests.clear()
    other.requests.clear()
    event.people[0]["File ID"] = "NEW"
    event.write_roster()
    event.advance(5)
    assert (b"GET", b"/logs.json") in one.requests
    assert (b"GET", b"/logs.json") not in other.requests


def test_an_invalid_roster_is_an_error_and_the_previous_one_is_kept(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.start()
    event.advance(1)
    for broken in (b"", b"Motion ID;Name\n601;x\n", b"\0\0\0"):
        event.folder.roster.write_bytes(broken)
        event.lines.clear()
        event.until("ERROR Cannot read the roster", 5)
        assert event.said("keeping the previous one")
    event.folder.roster.unlink()
    event.lines.clear()
    event.until("ERROR Cannot read the roster (no such file", 5)
    event.arrive(601)
    assert event.until("motion-601 can be disconnected")


def test_mistakes_are_said_with_their_line_and_the_other_lines_count(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.person(602, first="2022-02-30")
    event.arrive(601)
    event.start()
    event.until("WARN Roster line 3: invalid Start Date '2022-02-30': not in the calendar")
    assert event.until("motion-601 can be disconnected")


def test_a_file_that_is_merely_touched_changes_nothing(event: VirtualEvent) -> None:
    event.device(601)
    event.start()
    event.advance(1)
    event.lines.clear()
    os.utime(event.folder.roster, (1, 1))
    event.advance(5)
    assert event.lines == []


def test_without_a_roster_it_is_logged_that_no_device_is_expected(event: VirtualEvent) -> None:
    event.start()
    event.until("ERROR Cannot read the roster (no such file", 1)
    assert event.said("no device is expected")
    event.advance(10)
    assert len(event.said("Cannot read the roster")) == 1


def test_a_version_that_is_still_being_saved_is_not_applied(event: VirtualEvent) -> None:
    """The tracks of the missing lines would be unassigned, or outside the event."""
    event.device(601, log_of(601), log_of(601, MORNING + 3 * DAY))
    event.person(601, "2022-10-19", "2022-10-21", file_id="THEN")
    event.people[0] |= {"End Date": "2022-10-18"}
    event.write_roster()
    whole = event.folder.roster.read_bytes()
    event.start()
    event.advance(3)
    for length in range(len(whole) // 2, len(whole), 7):  # saved slowly, with a look at each step
        event.folder.roster.write_bytes(whole[:length])
        event.advance(2)
    event.arrive(601)
    event.folder.roster.write_bytes(whole)
    event.advance(30)
    assert not event.said("Roster: removed")
    assert sorted(event.tracks()) == [
        "gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao",
        "gpslogs/20221020/THEN_601_20221020_090000.oao",
    ]


def test_a_version_that_is_saved_while_it_is_read_is_not_applied(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event.spares()
    event.device(601)
    event.start()
    event.advance(3)
    whole = event.folder.roster.read_bytes()

    def read_too_late(data: bytes) -> Roster:
        if data != whole:
            event.folder.roster.write_bytes(whole)
        return parse_roster(data)

    monkeypatch.setattr(roster_reader, "parse_roster", read_too_late)
    event.folder.roster.write_bytes(b"".join(line for line in whole.splitlines(True) if not line.startswith(b"601")))
    event.advance(30)
    assert event.folder.roster.read_bytes() == whole
    assert not event.said("Roster: removed")


def test_without_a_roster_the_devices_of_the_configuration_are_expected(event: VirtualEvent) -> None:
    event.device(601, log_of(601), person=False)
    event.settings = Settings(devices=Devices(listed=("motion-601", "10.0.9.9")))
    event.arrive(601)
    event.start()
    event.until("INFO No roster: tracks of the 2 devices in the configuration go to gpslogs/unassigned")
    event.until("motion-601 can be disconnected")
    event.advance(10)
    assert not event.said("Cannot read the roster")
    assert len(event.said("No roster: tracks")) == 1
    event.person(601)
    assert event.until("Roster: 1 assignment of 1 device")


def test_a_broken_roster_leaves_the_devices_of_the_configuration(event: VirtualEvent) -> None:
    event.folder.roster.parent.mkdir(parents=True)
    event.folder.roster.write_bytes(b"nonsense")
    event.settings = Settings(devices=Devices(listed=("motion-601",)))
    event.start()
    event.until("ERROR Cannot read the roster (line 1: missing column")
    assert event.said("only the 1 device in the configuration will be collected")


def test_the_device_of_a_line_that_cannot_be_read_is_collected_all_the_same(event: VirtualEvent) -> None:
    """Without a former roster its day would be lost, and the board would tell of success."""
    for number in (601, 602, 603):
        event.device(number, log_of(number))
    event.people[1]["End Date"] = "2022-11-31"
    event.write_roster()
    event.arrive(602)
    event.start()
    event.until("motion-602 can be disconnected")
    assert list(event.tracks()) == ["gpslogs/unassigned/20221017/motion-602_20221017_090000.oao"]
    assert event.collector is not None
    trouble = event.collector.roster.trouble
    assert "line 3: invalid End Date" in trouble
    assert "Tracks of motion-602 are collected, but are nobody's." in trouble
    event.people[1]["End Date"] = "2022-10-21"
    event.write_roster()
    event.until("is now ABC602XYZ_602_20221017_090000.oao", 30)
    assert not event.collector.roster.trouble
