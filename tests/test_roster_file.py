from __future__ import annotations

import os

from tests.event import VirtualEvent, log_of


def test_a_device_that_is_added_while_we_run_is_looked_for_at_once(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.start()
    event.advance(5)
    event.device(602, log_of(602))
    event.arrive(602)
    event.until("Roster: now motion-602 ABC602XYZ Sailor 602, 2022-10-15 to 2022-10-21", 3)
    event.until("motion-602 is connected", 1)


def test_a_changed_owner_has_the_track_under_the_new_name(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    event.people[0]["File ID"] = "NEW"
    event.write_roster()
    event.until("Roster: no more motion-601 ABC601XYZ")
    event.until("motion-601 ABC601XYZ_601_20221017_090000.oao is now NEW_601_20221017_090000.oao: Sailor 601")
    event.advance(2)
    assert event.is_collected(601)
    assert list(event.tracks()) == ["gpslogs/20221017/NEW_601_20221017_090000.oao"]


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
    event.advance(3)
    assert (b"GET", b"/logs.json") in one.requests
    assert (b"GET", b"/logs.json") not in other.requests


def test_a_broken_version_leaves_the_old_one_in_force_loudly(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.start()
    event.advance(1)
    for broken in (b"", b"Motion ID;Name\n601;x\n", b"\0\0\0"):
        event.folder.roster.write_bytes(broken)
        event.lines.clear()
        event.until("ERROR The roster can't be read", 5)
        assert event.said("the one before stays in force")
    event.folder.roster.unlink()
    event.lines.clear()
    event.until("ERROR The roster can't be read (there is no", 5)
    event.arrive(601)
    event.until("motion-601 can be disconnected")


def test_mistakes_are_said_with_their_line_and_the_other_lines_count(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.person(602, first="2022-02-30")
    event.arrive(601)
    event.start()
    event.until("WARN Roster line 3: Start Date '2022-02-30' is no day of the calendar")
    event.until("motion-601 can be disconnected")


def test_a_file_that_is_merely_touched_changes_nothing(event: VirtualEvent) -> None:
    event.device(601)
    event.start()
    event.advance(1)
    event.lines.clear()
    os.utime(event.folder.roster, (1, 1))
    event.advance(5)
    assert event.lines == []


def test_without_a_roster_it_is_said_that_nobody_is_expected(event: VirtualEvent) -> None:
    event.start()
    event.until("ERROR The roster can't be read (there is no", 1)
    assert event.said("nobody is expected")
    event.advance(10)
    assert len(event.said("The roster can't be read")) == 1
