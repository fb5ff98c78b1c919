from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogEvent

from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.fleet import Stage
from sse_twisted.simulator.device import SimulatedLog
from sse_twisted.simulator.faults import Fault
from tests.event import MORNING, VirtualEvent, begin_anew, log_of, track

AFTERNOON = MORNING / 1000 + 8 * 3600  # s
DAY = 86_400  # s
HOUR = 3_600_000  # ms
MORE: Any = {"file": "/logs/2022/10/0601_2022-10-17-1600.oao", "start_date": AFTERNOON * 1000}
TRACKS = {identifier: f"ABC{identifier}XYZ_{identifier}_20221017_090000.oao" for identifier in (601, 602, 603, 604)}


@pytest.fixture
def afternoon(event: VirtualEvent) -> VirtualEvent:
    """601 was collected, 602 has gone with its track, 603 was never here, 604 has gone with its track and is waived."""
    event.utc = AFTERNOON
    for identifier in TRACKS:
        event.device(identifier, log_of(identifier))
    for identifier in (602, 604):
        event.servers[identifier].device.add_fault(Fault("cut", at=1000), path="/logs/")
    event.start()
    event.arrive(601, 602, 604)
    event.until("motion-601 can be disconnected")
    event.until("motion-602 must stay connected")
    event.until("motion-604 must stay connected")
    event.leave(601, 602, 604)
    event.until("motion-601 has been disconnected")
    event.until("motion-602 left too early")
    event.until("motion-604 left too early")
    waive(event, 604)
    return event


def waive(event: VirtualEvent, identifier: int) -> None:
    assert event.collector is not None
    event.collector.commands.waive(identifier, "fell into the water")


def be_killed(event: VirtualEvent, meanwhile: Callable[[], object] = lambda: None) -> None:
    """As `begin_anew`, but the memory is as it was before the stop."""
    memory = event.folder.memory
    before, times = memory.read_bytes(), memory.stat()

    def undo() -> None:
        memory.write_bytes(before)
        os.utime(memory, ns=(times.st_atime_ns, times.st_mtime_ns))
        meanwhile()

    begin_anew(event, undo)


def remembered(event: VirtualEvent) -> Any:
    return json.loads(event.folder.memory.read_bytes())


def change_memory(event: VirtualEvent, **changes: Any) -> None:
    event.folder.memory.write_text(json.dumps(remembered(event) | changes))


def list_one_more(path: Path, **change: Any) -> None:
    """As a listing that was kept since: with another log than the first one."""
    listing = json.loads(path.read_bytes())
    listing["logs"].append(listing["logs"][0] | (change or MORE))
    path.write_text(json.dumps(listing))


class TestWithItsMemory:
    @pytest.fixture
    def restarted(self, afternoon: VirtualEvent) -> VirtualEvent:
        begin_anew(afternoon)
        return afternoon

    def test_who_was_collected_is_gone_and_not_expected(self, restarted: VirtualEvent) -> None:
        device = restarted.known(601)
        assert device.stage is Stage.GONE
        assert device.is_collected
        assert [track.name for track in device.tracks] == [TRACKS[601]]
        assert device.battery == 83
        assert restarted.known(603).stage is Stage.ABSENT

    def test_who_left_too_early_is_an_alarm_at_once(self, restarted: VirtualEvent) -> None:
        device = restarted.known(602)
        assert (device.stage, device.missing) == (Stage.GONE, (TRACKS[602],))
        assert device.left_early == f"Sailor 602: 1 of 1 track missing ({TRACKS[602]})"
        assert restarted.said(f"ERROR motion-602 left too early, before this start - {device.left_early}")

    def test_who_was_waived_is_waived_with_its_reason(self, restarted: VirtualEvent) -> None:
        device = restarted.known(604)
        assert not device.left_early
        assert device.waived == f"fell into the water (Sailor 604: 1 of 1 track missing ({TRACKS[604]}))"
        assert not device.is_collected
        restarted.advance(60)
        assert not restarted.said("motion-604 left too early")

    def test_times_are_those_of_the_day(self, afternoon: VirtualEvent) -> None:
        before = {identifier: afternoon.known(identifier).since for identifier in (601, 602, 604)}
        begin_anew(afternoon, lambda: afternoon.reactor.advance(3600))
        assert {identifier: afternoon.known(identifier).since for identifier in before} == before

    def test_a_waived_one_that_comes_back_and_leaves_again_is_an_alarm(self, restarted: VirtualEvent) -> None:
        restarted.arrive(604)
        restarted.until("motion-604 must stay connected")
        restarted.leave(604)
        restarted.until("ERROR motion-604 left too early - Sailor 604")
        assert restarted.known(604).left_early
        assert not restarted.known(604).waived

    def test_an_alarm_ends_when_its_device_is_back_and_collected(self, restarted: VirtualEvent) -> None:
        restarted.servers[602].device.clear_faults()
        restarted.arrive(602)
        restarted.until("motion-602 can be disconnected")
        begin_anew(restarted)
        assert restarted.known(602).is_collected or restarted.known(602).present
        assert not restarted.said("left too early")

    def test_another_day_has_the_alarm_and_nothing_else(self, afternoon: VirtualEvent) -> None:
        begin_anew(afternoon, lambda: afternoon.reactor.advance(DAY))
        afternoon.advance(20.0)
        stages = {identifier: afternoon.known(identifier).stage for identifier in TRACKS}
        assert stages == {601: Stage.ABSENT, 602: Stage.GONE, 603: Stage.ABSENT, 604: Stage.ABSENT}
        assert afternoon.known(602).left_early
        assert not afternoon.known(604).waived

    def test_an_alarm_of_somebody_who_is_off_the_roster_stays(self, afternoon: VirtualEvent) -> None:
        afternoon.people = [row for row in afternoon.people if row["Motion ID"] != "602"]
        begin_anew(afternoon, afternoon.write_roster)
        assert afternoon.known(602).left_early

    def test_visits_and_the_last_arrival_are_those_of_today(self, afternoon: VirtualEvent) -> None:
        def visits(identifier: int) -> list[str]:
            assert afternoon.collector is not None
            return [stay.verdict.partition(" - ")[0] for stay in afternoon.collector.attendance.of(identifier)]

        def last_arrival() -> float | None:
            assert afternoon.collector is not None
            return afternoon.collector.attendance.last_arrival

        before = last_arrival()
        begin_anew(afternoon)
        assert [visits(identifier) for identifier in (601, 602)] == [["can be disconnected"], ["left too early"]]
        assert last_arrival() == before
        afternoon.arrive(601)
        afternoon.until("motion-601 can be disconnected")
        assert visits(601) == ["can be disconnected"] * 2
        begin_anew(afternoon, lambda: afternoon.leave(601))
        assert afternoon.collector is not None
        assert afternoon.collector.attendance.of(601)[1].left is not None
        begin_anew(afternoon, lambda: afternoon.reactor.advance(DAY))
        assert visits(601) == []

    def test_it_is_for_its_owner_alone(self, restarted: VirtualEvent) -> None:
        assert restarted.folder.memory.stat().st_mode & 0o777 == 0o600
        assert restarted.folder.state.stat().st_mode & 0o777 == 0o700


class TestWhoIsStillThere:
    @pytest.fixture
    def present(self, event: VirtualEvent) -> VirtualEvent:
        """601 is collected and there, 602 is there with its track missing."""
        event.utc = AFTERNOON
        for identifier in (601, 602):
            event.device(identifier, log_of(identifier))
        event.servers[602].device.add_fault(Fault("cut", at=1000), path="/logs/")
        event.start()
        event.arrive(601, 602)
        event.until("motion-601 can be disconnected")
        event.until("motion-602 must stay connected")
        return event

    def test_has_not_left(self, present: VirtualEvent) -> None:
        begin_anew(present)
        present.servers[602].device.clear_faults()
        present.until("motion-602 can be disconnected")
        present.advance(60.0)
        assert not present.said("left too early")
        assert present.is_collected(601)

    @pytest.mark.parametrize("end", [begin_anew, be_killed])
    def test_and_is_gone_afterwards_has_left_too_early_unless_it_was_collected(
        self, present: VirtualEvent, end: Callable[..., None]
    ) -> None:
        present.advance(2.0)
        end(present, lambda: present.leave(601, 602))
        assert present.known(601).is_collected
        assert not present.known(602).is_collected
        assert not present.said("left too early")
        present.until(
            f"ERROR motion-602 left too early, before this start - Sailor 602: 1 of 1 track missing ({TRACKS[602]})"
        )
        assert present.known(602).stage is Stage.GONE
        present.advance(60.0)
        assert not present.said("motion-601 left too early")

    def test_is_looked_for_over_two_short_runs_before_it_has_left(self, present: VirtualEvent) -> None:
        begin_anew(present, lambda: present.leave(601, 602))
        assert "was here, and is looked for" in present.collector.commands.why(602)  # type: ignore[union-attr]
        begin_anew(present)
        assert not present.said("motion-602 left")
        present.until("motion-602 left too early, before this start")

    def test_can_be_waived_before_it_has_left(self, present: VirtualEvent) -> None:
        begin_anew(present, lambda: present.leave(601, 602))
        waive(present, 602)
        present.advance(60.0)
        assert not present.said("left too early")
        assert (present.known(602).stage, present.known(602).is_collected) == (Stage.GONE, False)

    def test_and_goes_on_another_day_has_left_too_early(self, present: VirtualEvent) -> None:
        def sleep() -> None:
            present.leave(601, 602)
            present.reactor.advance(DAY)

        begin_anew(present, sleep)
        present.until("motion-602 left too early, before this start")
        assert present.known(601).stage is Stage.ABSENT


class TestAKill:
    """Between what happened and its note."""

    def test_after_a_verdict_costs_at_most_an_alarm_too_many(self, event: VirtualEvent) -> None:
        event.utc = AFTERNOON
        event.device(601, log_of(601)).bytes_per_second = 8000
        event.start()
        event.arrive(601)
        event.until("motion-601 ABC601XYZ_601_20221017_090000.oao queued")
        event.advance(1.5)
        memory = event.folder.memory.read_bytes()
        times = event.folder.memory.stat()
        event.until("motion-601 can be disconnected")
        event.stop()
        event.leave(601)
        event.folder.memory.write_bytes(memory)
        os.utime(event.folder.memory, ns=(times.st_atime_ns, times.st_mtime_ns))
        event.lines.clear()
        event.start()
        event.until("motion-601 left too early, before this start")
        assert not event.known(601).is_collected

    def test_after_a_departure_keeps_the_alarm(self, afternoon: VirtualEvent) -> None:
        afternoon.advance(2.0)
        be_killed(afternoon)
        assert afternoon.known(602).left_early

    def test_after_a_waiver_leaves_it_waived(self, afternoon: VirtualEvent) -> None:
        be_killed(afternoon)
        assert afternoon.known(604).waived

    def test_while_one_is_back_that_was_collected_does_not_leave_it_collected(self, afternoon: VirtualEvent) -> None:
        """Its new track is not even listed: nothing but the memory can tell of it."""
        device = afternoon.servers[601].device
        device.logs.append(log_of(601, MORNING + HOUR))
        device.add_fault(Fault("no-headers"), path="/logs.json")
        afternoon.lines.clear()
        afternoon.arrive(601)
        afternoon.until("motion-601 is connected")
        be_killed(afternoon, lambda: afternoon.leave(601))
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start - Sailor 601: its tracks are here, but were not")

    def test_before_a_first_visit_was_noted_leaves_it_not_done(self, afternoon: VirtualEvent) -> None:
        memory = afternoon.folder.memory
        afternoon.advance(2.0)
        before, times = memory.read_bytes(), memory.stat()
        afternoon.arrive(603)
        afternoon.until("motion-603 can be disconnected")
        afternoon.leave(603)
        afternoon.stop()
        memory.write_bytes(before)
        os.utime(memory, ns=(times.st_atime_ns, times.st_mtime_ns))
        afternoon.lines.clear()
        afternoon.start()
        assert afternoon.until("motion-603 left too early, before this start")

    def test_between_an_answer_and_its_note_does_not_leave_it_collected(
        self, afternoon: VirtualEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The listing with a new track came while the memory was being written, which is younger for that."""
        keep = EventFolder.keep_memory
        path = afternoon.folder.motion(601) / "logs.json"

        def keep_late(folder: EventFolder, data: bytes) -> None:
            list_one_more(path)
            keep(folder, data)

        afternoon.advance(2.0)
        with monkeypatch.context() as patch:
            patch.setattr(EventFolder, "keep_memory", keep_late)
            assert afternoon.collector is not None
            afternoon.collector.fleet.update(601, battery=50)
            afternoon.advance(0.1)
        be_killed(afternoon)
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start")


class TestWhatIsOnDisk:
    def test_decides_if_the_memory_says_collected_and_a_track_was_deleted(self, afternoon: VirtualEvent) -> None:
        begin_anew(afternoon, (afternoon.root / "gpslogs" / "20221017" / TRACKS[601]).unlink)
        assert not afternoon.known(601).is_collected
        line = afternoon.until("motion-601 was collected before this start, but its tracks are not all here")
        assert line.endswith(f"Sailor 601: 1 of 1 track missing ({TRACKS[601]})")
        assert afternoon.known(601).left_early
        afternoon.arrive(601)
        afternoon.until("motion-601 can be disconnected")
        assert afternoon.known(601).is_collected

    @pytest.mark.parametrize("is_remembered", [True, False])
    def test_is_not_asked_for_what_the_device_lists_no_more_and_was_believed(
        self, event: VirtualEvent, is_remembered: bool
    ) -> None:
        event.utc = AFTERNOON
        vanishing = log_of(601, MORNING + HOUR)
        device = event.device(601, log_of(601), vanishing)
        device.add_fault(Fault("404"), path=vanishing.path)
        event.start()
        event.arrive(601)
        event.until("motion-601 must stay connected - 1 of 2 tracks missing")
        device.logs.remove(vanishing)
        assert event.until("motion-601 can be disconnected").endswith(f"it does not list {vanishing.path} any more")
        event.leave(601)
        event.until("motion-601 has been disconnected")
        begin_anew(event, lambda: None if is_remembered else event.folder.memory.unlink())
        event.advance(60)
        assert event.known(601).is_collected
        assert event.said("ERROR") == []
        device.logs.append(vanishing)
        device.clear_faults()
        event.arrive(601)
        event.until("motion-601 can be disconnected")
        assert vanishing.content in event.tracks().values()

    def test_is_asked_for_each_track_also_where_a_device_used_a_path_twice(self, event: VirtualEvent) -> None:
        """As after its logs were deleted: the first track, which is here, does not stand in for the second."""
        event.utc = AFTERNOON
        first = log_of(601)
        device = event.device(601, first)
        event.start()
        event.arrive(601)
        event.until("motion-601 can be disconnected")
        device.logs[:] = [SimulatedLog(first.path, track(601, MORNING + HOUR))]
        event.lines.clear()
        event.wake_all()
        event.until("motion-601 can be disconnected")
        assert len(event.tracks()) == 2
        event.leave(601)
        event.until("motion-601 has been disconnected")
        begin_anew(event, (event.root / "gpslogs/20221017/ABC601XYZ_601_20221017_100000.oao").unlink)
        assert not event.known(601).is_collected
        event.until("motion-601 was collected before this start, but its tracks are not all here")

    def test_decides_if_a_track_was_cut_short(self, afternoon: VirtualEvent) -> None:
        path = afternoon.root / "gpslogs" / "20221017" / TRACKS[601]
        begin_anew(afternoon, lambda: os.truncate(path, 100))
        assert afternoon.until("motion-601 was collected before this start, but")

    @pytest.mark.parametrize("status", ["queued", "failed", None])
    def test_decides_if_the_ledger_says_otherwise(self, afternoon: VirtualEvent, status: str | None) -> None:
        ledger = afternoon.ledger(601)
        if status is None:
            ledger.clear()
        else:
            ledger[TRACKS[601]]["status"] = status
        path = afternoon.folder.ledger_path(601)
        begin_anew(afternoon, lambda: path.write_text(json.dumps(ledger)))
        afternoon.until("motion-601 was collected before this start, but its tracks are not all here")
        assert not afternoon.known(601).is_collected

    def test_decides_without_a_memory_as_well(self, afternoon: VirtualEvent) -> None:
        def lose() -> None:
            afternoon.folder.memory.unlink()
            (afternoon.root / "gpslogs" / "20221017" / TRACKS[601]).unlink()

        begin_anew(afternoon, lose)
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 was collected before this start, but its tracks are not all here")

    def test_may_have_other_names_by_now(self, afternoon: VirtualEvent) -> None:
        for person in afternoon.people:
            person["File ID"] = f"NEW{person['Motion ID']}"
        begin_anew(afternoon, afternoon.write_roster)
        afternoon.advance(60.0)
        assert afternoon.said(f"{TRACKS[601]} is now NEW601_601_20221017_090000.oao")
        assert afternoon.known(601).is_collected
        assert not afternoon.said("motion-601 was collected")
        begin_anew(afternoon)
        assert [track.name for track in afternoon.known(601).tracks] == ["NEW601_601_20221017_090000.oao"]

    def test_counts_again_when_it_is_at_its_place_in_time(self, afternoon: VirtualEvent) -> None:
        """As a track that is just being moved when the start looks at it."""
        path = afternoon.root / "gpslogs" / "20221017" / TRACKS[601]
        begin_anew(afternoon, lambda: path.rename(path.with_suffix(".away")))
        assert not afternoon.known(601).is_collected
        path.with_suffix(".away").rename(path)
        afternoon.advance(20.0)
        assert afternoon.known(601).is_collected
        assert not afternoon.said("motion-601 was collected")


def test_who_is_found_at_once_after_a_start_has_not_left_early(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601, fixes=4000))
    device.bytes_per_second = 2000
    event.arrive(601)
    event.start()
    event.until("queued")
    begin_anew(event)
    event.until("motion-601 is connected")
    assert event.known(601).present
    assert event.known(601).left_early == ""
    event.leave(601)
    event.until("motion-601 left too early")
    event.arrive(601)
    event.until("motion-601 is connected", 30)
    assert event.known(601).left_early  # an alarm is one until it is collected


class TestWithoutAMemory:
    @pytest.fixture
    def restarted(self, afternoon: VirtualEvent) -> VirtualEvent:
        begin_anew(afternoon, lambda: afternoon.folder.memory.unlink())
        return afternoon

    def test_the_ledgers_tell_who_was_collected(self, restarted: VirtualEvent) -> None:
        device = restarted.known(601)
        assert device.stage is Stage.GONE
        assert device.is_collected
        assert [track.name for track in device.tracks] == [TRACKS[601]]
        assert restarted.known(603).stage is Stage.ABSENT

    def test_who_left_too_early_is_an_alarm_if_it_is_not_found(self, restarted: VirtualEvent) -> None:
        assert restarted.known(602).stage is Stage.ABSENT
        line = restarted.until("motion-602 left too early, before this start")
        assert line.endswith(f"Sailor 602: 1 of 1 track missing ({TRACKS[602]})")
        assert restarted.known(602).stage is Stage.GONE

    def test_who_is_still_there_has_not_left(self, restarted: VirtualEvent) -> None:
        restarted.servers[602].device.clear_faults()
        restarted.arrive(602)
        restarted.until("motion-602 can be disconnected")
        restarted.advance(60.0)
        assert not restarted.said("motion-602 left too early")

    def test_a_track_that_is_just_being_moved_does_not_make_up_for_one_that_is_only_listed(
        self, afternoon: VirtualEvent
    ) -> None:
        path = afternoon.root / "gpslogs" / "20221017" / TRACKS[601]

        def lose() -> None:
            afternoon.folder.memory.unlink()
            path.rename(path.with_suffix(".away"))
            list_one_more(afternoon.folder.motion(601) / "logs.json")

        begin_anew(afternoon, lose)
        path.with_suffix(".away").rename(path)
        afternoon.until("motion-601 left too early, before this start")
        assert not afternoon.known(601).is_collected

    def test_another_track_at_the_same_path_is_not_the_one_that_is_here(self, afternoon: VirtualEvent) -> None:
        path = afternoon.folder.motion(601) / "logs.json"

        def lose() -> None:
            afternoon.folder.memory.unlink()
            listing = json.loads(path.read_bytes())
            listing["logs"][0] |= {"start_date": MORNING + HOUR, "end_date": MORNING + 2 * HOUR}
            path.write_text(json.dumps(listing))

        begin_anew(afternoon, lose)
        afternoon.until("motion-601 left too early, before this start")
        assert afternoon.known(601).left_early

    def test_what_was_given_up_and_is_listed_again_is_waited_for(self, event: VirtualEvent) -> None:
        event.utc = AFTERNOON
        vanishing = log_of(601, MORNING + HOUR)
        device = event.device(601, log_of(601), vanishing)
        device.add_fault(Fault("404"), path=vanishing.path)
        event.start()
        event.arrive(601)
        event.until("motion-601 must stay connected - 1 of 2 tracks missing")
        path = event.folder.motion(601) / "logs.json"
        listing = path.read_bytes()
        device.logs.remove(vanishing)
        event.until("motion-601 can be disconnected")
        event.leave(601)
        event.until("motion-601 has been disconnected")

        def lose() -> None:
            event.folder.memory.unlink()
            path.write_bytes(listing)

        begin_anew(event, lose)
        event.until("motion-601 left too early, before this start")
        assert event.known(601).left_early

    def test_what_was_collected_yesterday_is_not_done_today(self, afternoon: VirtualEvent) -> None:
        def sleep() -> None:
            afternoon.folder.memory.unlink()
            afternoon.reactor.advance(DAY)

        begin_anew(afternoon, sleep)
        afternoon.advance(20.0)
        assert {afternoon.known(identifier).stage for identifier in (601, 603)} == {Stage.ABSENT}

    def test_what_was_missing_yesterday_is_missed_today(self, afternoon: VirtualEvent) -> None:
        def sleep() -> None:
            afternoon.folder.memory.unlink()
            afternoon.reactor.advance(DAY)

        begin_anew(afternoon, sleep)
        afternoon.until("motion-602 left too early, before this start")
        assert afternoon.known(602).left_early

    @pytest.mark.parametrize(
        ("missing", "start", "is_alarm"),
        [
            ("ABC601XYZ_601_20221016_090000.oao", MORNING - 1000 * DAY, True),
            ("motion-601_19800106_010000.oao", 315_964_800_000, True),
            (f"motion-601_undated_{2**62}.oao", 2**62, True),
            ("motion-601_20220916_090000.oao", MORNING - 31_000 * DAY, False),
        ],
    )
    def test_what_is_missing_of_another_day_of_the_event_or_of_no_day_leaves_nobody_collected(
        self, afternoon: VirtualEvent, missing: str, start: int, is_alarm: bool
    ) -> None:
        change = {"motion_file": "/logs/x.oao", "start_date": start, "local_file": f"gpslogs/x/{missing}"}
        entries = {**afternoon.ledger(601), missing: afternoon.ledger(602)[TRACKS[602]] | change}

        def owe() -> None:
            afternoon.folder.memory.unlink()
            afternoon.folder.ledger_path(601).write_text(json.dumps(entries))

        begin_anew(afternoon, owe)
        assert afternoon.known(601).is_collected is not is_alarm
        afternoon.advance(20.0)
        assert bool(afternoon.said("motion-601 left too early, before this start")) is is_alarm

    def test_who_lists_an_unknown_log_without_a_date_is_not_taken_for_collected(self, afternoon: VirtualEvent) -> None:
        path = afternoon.folder.motion(601) / "logs.json"

        def lose_its_clock() -> None:
            afternoon.folder.memory.unlink()
            list_one_more(path, file="/logs/1980/01/0601_1980-01-06-0000.oao", start_date=315_964_800_000)

        begin_anew(afternoon, lose_its_clock)
        assert not afternoon.known(601).is_collected

    @pytest.mark.parametrize("is_listed", [True, False])
    def test_who_was_here_today_and_whose_tracks_nobody_has_looked_at_is_an_alarm(
        self, afternoon: VirtualEvent, is_listed: bool
    ) -> None:
        """It was its first visit, and the run before was killed in it."""
        motion = afternoon.folder.motion(601)

        def be_killed_in_between() -> None:
            afternoon.folder.memory.unlink()
            (motion / "downloads.json").unlink()
            if not is_listed:
                (motion / "logs.json").unlink()
            for path in motion.iterdir():  # files have the time of the real clock
                os.utime(path, (AFTERNOON, AFTERNOON))

        begin_anew(afternoon, be_killed_in_between)
        afternoon.until("motion-601 left too early, before this start - Sailor 601: its tracks are not known yet")
        assert afternoon.known(601).left_early

    def test_who_could_not_be_listed_last_is_not_taken_for_collected(self, event: VirtualEvent) -> None:
        event.utc = AFTERNOON
        device = event.collect()
        event.leave(601)
        event.until("motion-601 has been disconnected")
        device.logs.append(log_of(601, MORNING + HOUR))
        device.add_fault(Fault("half-json"), path="/logs.json")
        listing = event.folder.motion(601) / "logs.json"
        os.utime(listing, (0, listing.stat().st_mtime - 60))  # files have the time of the real clock
        event.lines.clear()
        event.arrive(601)
        event.until("must stay connected")
        event.leave(601)
        event.stop()
        event.folder.memory.unlink()
        event.lines.clear()
        event.start()
        event.until(
            "ERROR motion-601 left too early, before this start - Sailor 601: its tracks are here, but were not"
        )
        assert not event.known(601).is_collected

    def test_a_track_of_the_original_counts_if_it_has_its_length(self, afternoon: VirtualEvent) -> None:
        path = afternoon.folder.ledger_path(601)
        entries = afternoon.ledger(601)
        for key in ("outcome", "length", "sha256"):
            del entries[TRACKS[601]][key]
        entries[TRACKS[601]]["local_file"] = f"C:\\events\\gpslogs\\20221017\\{TRACKS[601]}"

        def as_the_original_left_it() -> None:
            afternoon.folder.memory.unlink()
            path.write_text(json.dumps(entries))

        begin_anew(afternoon, as_the_original_left_it)
        assert afternoon.known(601).is_collected
        track = afternoon.root / "gpslogs" / "20221017" / TRACKS[601]

        def cut_short() -> None:
            afternoon.folder.memory.unlink()
            os.truncate(track, 5000)

        begin_anew(afternoon, cut_short)
        assert not afternoon.known(601).is_collected

    @pytest.mark.parametrize(
        "change",
        [
            MORE,
            {"size": 1536 + 52 * 100_000},
            {"size": "large"},
        ],
    )
    def test_who_listed_what_the_ledger_does_not_know_is_not_taken_for_collected(
        self, afternoon: VirtualEvent, change: dict[str, Any]
    ) -> None:
        """The run before was killed when it had kept the listing, and not compared it yet."""
        path = afternoon.folder.motion(601) / "logs.json"

        def be_killed_in_between() -> None:
            afternoon.folder.memory.unlink()
            list_one_more(path, **change)

        begin_anew(afternoon, be_killed_in_between)
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start")

    def test_a_ledger_of_anybody_does_no_harm(self, afternoon: VirtualEvent) -> None:
        path = afternoon.folder.ledger_path(601)
        entries = afternoon.ledger(601)
        entries[TRACKS[601]] |= {"duration": 10**30, "distance": -(10**30), "end_date": 1e300}
        entries["other"] = {"motion_file": 7, "status": "skipped"}

        def as_somebody_left_it() -> None:
            afternoon.folder.memory.unlink()
            path.write_text(json.dumps(entries))

        begin_anew(afternoon, as_somebody_left_it)
        assert afternoon.known(601).is_collected
        afternoon.stop()
        assert remembered(afternoon)["devices"]["601"]["stage"] == "gone"


class TestAMemoryThatCanNotBeUsed:
    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b'{"format": "sse_twisted mem', "Input data was truncated"),
            (b"", "Input data was truncated"),
            (b"\0" * 500, "JSON is malformed"),
            (b'{"format":' * 100_000, "recursion"),
            (b'{"format": "\xff\xfe"}', "codec can't decode byte 0xff"),
            (b"[]", "it is none of this collector"),
            (b'{"version": 1}', "it is none of this collector"),
            (b'{"format": "sse_twisted memory", "version": 3}', "it is of version 3, and this collector knows 2"),
            (b'{"format": "sse_twisted memory", "version": 0}', "it is of version 0, and this collector knows 2"),
            (b'{"format": "sse_twisted memory", "version": 1}', "Object missing required field `saved_at`"),
        ],
    )
    def test_is_set_aside_with_one_line_and_the_ledgers_tell(
        self, afternoon: VirtualEvent, content: bytes, why: str
    ) -> None:
        begin_anew(afternoon, lambda: afternoon.folder.memory.write_bytes(content))
        (line,) = afternoon.said("What was known of the day could not be read")
        assert why.lower() in line.lower()
        aside = afternoon.folder.state / "memory.json.unusable.1"
        assert str(aside) in line
        assert aside.read_bytes() == content
        assert afternoon.known(601).is_collected
        afternoon.until("motion-602 left too early, before this start")
        assert remembered(afternoon)["devices"].keys() >= {"601", "602"}

    @pytest.mark.parametrize(
        "device",
        [
            {"stage": "somewhere", "since": 5},
            {"stage": "gone", "since": "today"},
            {"stage": "gone", "since": 1e300},
            {"stage": "gone", "since": 5, "left_early": 7},
            {"stage": "gone", "since": 5, "color": "red"},
            "gone",
        ],
    )
    def test_of_wrong_types_is_set_aside_as_well(self, afternoon: VirtualEvent, device: Any) -> None:
        begin_anew(afternoon, lambda: change_memory(afternoon, devices={"601": device}))
        assert afternoon.said("What was known of the day could not be read")
        assert afternoon.known(601).is_collected

    def test_because_it_is_a_folder_is_set_aside(self, afternoon: VirtualEvent) -> None:
        def replace() -> None:
            afternoon.folder.memory.unlink()
            afternoon.folder.memory.mkdir()

        begin_anew(afternoon, replace)
        assert afternoon.said("What was known of the day could not be read (Is a directory; it is kept as ")
        afternoon.stop()
        assert afternoon.folder.memory.is_file()


class TestAMishap:
    """Something that nobody has thought of, while the past is told."""

    def test_with_one_device_counts_it_as_not_done_and_leaves_the_others_as_they_were(
        self, afternoon: VirtualEvent, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("no way")

        monkeypatch.setattr(EventFolder, "holds", fail)
        begin_anew(afternoon)
        assert afternoon.said("What was known of motion-601 can't be judged: it counts as not done")
        assert not afternoon.known(601).is_collected
        assert afternoon.known(602).left_early
        assert afternoon.known(604).waived
        afternoon.until("motion-601 left too early, before this start")
        assert remembered(afternoon)["devices"]["601"]["left_early"]
        logged_failures.clear()

    @pytest.mark.parametrize("is_there", [True, False])
    def test_with_all_of_it_leaves_a_memory_as_it_is_and_begins_one_where_there_was_none(
        self,
        afternoon: VirtualEvent,
        monkeypatch: pytest.MonkeyPatch,
        logged_failures: list[LogEvent],
        is_there: bool,
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("no way")

        afternoon.stop()
        if not is_there:
            afternoon.folder.memory.unlink()
        before = afternoon.folder.memory.read_bytes() if is_there else b""
        afternoon.lines.clear()
        with monkeypatch.context() as patch:
            patch.setattr(EventFolder, "all_entries", fail)
            afternoon.start()
        afternoon.arrive(601)
        afternoon.until("motion-601 can be disconnected")
        assert afternoon.said("What was known of the day could not be told")
        afternoon.stop()
        assert (afternoon.folder.memory.read_bytes() == before) is is_there
        afternoon.start()
        afternoon.advance(1.0)
        assert bool(afternoon.known(602).left_early) is True
        logged_failures.clear()


class TestSomebodyElseAtWork:
    """The event went on with the original, and comes back: what is younger than the memory of a run that ended."""

    def touch(self, folder: EventFolder, identifier: int, *names: str) -> None:
        later = folder.memory.stat().st_mtime + 10
        for name in names:
            os.utime(folder.motion(identifier) / name, (later, later))

    def test_the_ledger_tells_what_became_of_an_alarm(self, afternoon: VirtualEvent) -> None:
        def collect_with_the_original() -> None:
            entries = afternoon.ledger(602)
            entries[TRACKS[602]]["status"] = "completed"
            afternoon.folder.ledger_path(602).write_text(json.dumps(entries))
            content = afternoon.servers[602].device.logs[0].content
            (afternoon.root / "gpslogs" / "20221017" / TRACKS[602]).write_bytes(content)
            self.touch(afternoon.folder, 602, "info.json", "logs.json")

        begin_anew(afternoon, collect_with_the_original)
        assert afternoon.known(602).is_collected
        afternoon.advance(60.0)
        assert not afternoon.said("left too early")

    def test_an_alarm_stays_if_the_ledger_does_not_say_that_it_is_over(self, afternoon: VirtualEvent) -> None:
        begin_anew(afternoon, lambda: self.touch(afternoon.folder, 602, "info.json"))
        assert afternoon.known(602).left_early

    def test_one_who_was_collected_and_met_again_is_so_no_more(self, afternoon: VirtualEvent) -> None:
        begin_anew(afternoon, lambda: self.touch(afternoon.folder, 601, "info.json"))
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start")

    def test_who_was_not_done_and_not_even_listed_is_an_alarm(self, event: VirtualEvent) -> None:
        """Neither the memory, which does not know the last answer, nor the ledger, which there is none of, says why."""
        event.utc = AFTERNOON
        event.device(601, log_of(601)).add_fault(Fault("no-headers"), path="/settings.json")
        event.start()
        event.arrive(601)
        event.until("motion-601 is connected")
        event.advance(2.0)

        def leave_and_meet_somebody_else() -> None:
            event.leave(601)
            self.touch(event.folder, 601, "info.json")

        begin_anew(event, leave_and_meet_somebody_else)
        event.until("motion-601 left too early, before this start - Sailor 601: its tracks are not known yet")
        assert event.known(601).left_early

    def test_what_it_could_not_fetch_is_an_alarm_even_if_the_memory_seems_younger(
        self, afternoon: VirtualEvent
    ) -> None:
        """The clock was ahead when the memory was written, and right when the other one worked."""
        entry = afternoon.ledger(602)[TRACKS[602]]
        path = afternoon.folder.ledger_path(603)

        def meet_another_one() -> None:
            path.parent.mkdir()
            path.write_text(json.dumps({TRACKS[603]: entry | {"local_file": f"gpslogs/20221017/{TRACKS[603]}"}}))

        begin_anew(afternoon, meet_another_one)
        afternoon.until("motion-603 left too early, before this start")
        assert afternoon.known(603).left_early


class TestAClockThatIsSetBack:
    """Times say nothing of what was first: what was kept before has a later one than all that comes for two hours."""

    def set_back(self, path: Path) -> None:
        status = path.stat()
        os.utime(path, (status.st_atime, status.st_mtime - 7200))

    @pytest.mark.parametrize("end", [begin_anew, be_killed])
    def test_makes_no_alarm_and_leaves_what_is_waived(self, afternoon: VirtualEvent, end: Callable[..., None]) -> None:
        afternoon.advance(2.0)
        end(afternoon, lambda: self.set_back(afternoon.folder.memory))
        afternoon.advance(60.0)
        assert afternoon.known(601).is_collected
        assert afternoon.known(602).left_early
        assert afternoon.known(604).waived
        assert not afternoon.said("motion-601 left too early")
        assert not afternoon.said("motion-604 left too early")

    @pytest.mark.parametrize("end", [begin_anew, be_killed])
    def test_leaves_nobody_collected_whom_somebody_else_has_met_since(
        self, afternoon: VirtualEvent, end: Callable[..., None]
    ) -> None:
        path = afternoon.folder.motion(601) / "info.json"
        afternoon.advance(2.0)
        end(afternoon, lambda: self.set_back(path))
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start")

    def test_leaves_nobody_collected_whose_last_listing_may_be_of_before(self, afternoon: VirtualEvent) -> None:
        listing = afternoon.folder.motion(601) / "logs.json"

        def come_back_without_a_memory() -> None:
            afternoon.folder.memory.unlink()
            status = listing.stat()
            os.utime(listing, (status.st_atime, status.st_mtime + 7200))

        begin_anew(afternoon, come_back_without_a_memory)
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start")


class TestAMemoryOfVersion1:
    """It does not say which answers it knew: their times do."""

    def make_old(self, event: VirtualEvent) -> None:
        memory = {key: value for key, value in remembered(event).items() if key != "answers"}
        event.folder.memory.write_text(json.dumps(memory | {"version": 1}))

    def test_is_understood(self, afternoon: VirtualEvent) -> None:
        begin_anew(afternoon, lambda: self.make_old(afternoon))
        assert afternoon.known(601).is_collected
        assert afternoon.known(602).left_early
        assert afternoon.known(604).waived
        assert remembered(afternoon)["version"] == 2

    def test_is_not_believed_of_who_was_met_since(self, afternoon: VirtualEvent) -> None:
        def meet() -> None:
            self.make_old(afternoon)
            later = afternoon.folder.memory.stat().st_mtime + 10
            os.utime(afternoon.folder.motion(601) / "info.json", (later, later))

        begin_anew(afternoon, meet)
        assert not afternoon.known(601).is_collected
