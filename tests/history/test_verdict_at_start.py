from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.fleet import Stage
from sse_twisted.simulator.device import SimulatedLog
from sse_twisted.simulator.faults import Fault
from tests.history.afternoon import AFTERNOON, DAY, HOUR, MORE, TRACKS, be_killed, list_one_more, saved_state
from tests.support.event import MORNING, VirtualEvent, begin_anew, log_of, track


class TestWhatIsOnDisk:
    def test_decides_if_the_state_says_collected_and_a_track_was_deleted(self, afternoon: VirtualEvent) -> None:
        begin_anew(afternoon, (afternoon.root / "gpslogs" / "20221017" / TRACKS[601]).unlink)
        assert not afternoon.known(601).is_collected
        line = afternoon.until("motion-601 was collected before this start, but its tracks are not all here")
        assert line.endswith(f"Sailor 601: 1 of 1 track missing ({TRACKS[601]})")
        assert afternoon.known(601).left_early
        afternoon.arrive(601)
        afternoon.until("motion-601 can be disconnected")
        assert afternoon.known(601).is_collected

    @pytest.mark.parametrize("is_saved", [True, False])
    def test_is_not_asked_for_what_the_device_lists_no_more_and_was_believed(
        self, event: VirtualEvent, is_saved: bool
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
        begin_anew(event, lambda: None if is_saved else event.folder.state_file.unlink())
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

    def test_decides_without_a_state_file_as_well(self, afternoon: VirtualEvent) -> None:
        def lose() -> None:
            afternoon.folder.state_file.unlink()
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

    def test_is_not_looked_at_while_it_is_moved(self, afternoon: VirtualEvent) -> None:
        path = afternoon.root / "gpslogs" / "20221017" / TRACKS[601]
        begin_anew(afternoon, lambda: path.rename(path.with_suffix(".away")))
        assert afternoon.collector is not None
        turn = afternoon.collector.refiling.turn(601)
        turn.acquire()
        afternoon.advance(60.0)
        assert not afternoon.said("motion-601 was collected")
        path.with_suffix(".away").rename(path)
        turn.release()
        assert afternoon.known(601).is_collected


class TestWithoutAStateFile:
    @pytest.fixture
    def restarted(self, afternoon: VirtualEvent) -> VirtualEvent:
        begin_anew(afternoon, lambda: afternoon.folder.state_file.unlink())
        return afternoon

    def test_the_ledgers_say_which_devices_were_collected(self, restarted: VirtualEvent) -> None:
        device = restarted.known(601)
        assert device.stage is Stage.GONE
        assert device.is_collected
        assert [track.name for track in device.tracks] == [TRACKS[601]]
        assert restarted.known(603).stage is Stage.ABSENT

    def test_a_device_that_left_too_early_is_an_alarm_if_it_is_not_found(self, restarted: VirtualEvent) -> None:
        assert restarted.known(602).stage is Stage.ABSENT
        line = restarted.until("motion-602 left too early, before this start")
        assert line.endswith(f"Sailor 602: 1 of 1 track missing ({TRACKS[602]})")
        assert restarted.known(602).stage is Stage.GONE

    def test_a_device_that_is_still_there_has_not_left(self, restarted: VirtualEvent) -> None:
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
            afternoon.folder.state_file.unlink()
            path.rename(path.with_suffix(".away"))
            list_one_more(afternoon.folder.device_folder(601) / "logs.json")

        begin_anew(afternoon, lose)
        path.with_suffix(".away").rename(path)
        afternoon.until("motion-601 left too early, before this start")
        assert not afternoon.known(601).is_collected

    def test_another_track_at_the_same_path_is_not_the_one_that_is_here(self, afternoon: VirtualEvent) -> None:
        path = afternoon.folder.device_folder(601) / "logs.json"

        def lose() -> None:
            afternoon.folder.state_file.unlink()
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
        path = event.folder.device_folder(601) / "logs.json"
        listing = path.read_bytes()
        device.logs.remove(vanishing)
        event.until("motion-601 can be disconnected")
        event.leave(601)
        event.until("motion-601 has been disconnected")

        def lose() -> None:
            event.folder.state_file.unlink()
            path.write_bytes(listing)

        begin_anew(event, lose)
        event.until("motion-601 left too early, before this start")
        assert event.known(601).left_early

    def test_what_was_collected_yesterday_is_not_done_today(self, afternoon: VirtualEvent) -> None:
        def sleep() -> None:
            afternoon.folder.state_file.unlink()
            afternoon.reactor.advance(DAY)

        begin_anew(afternoon, sleep)
        afternoon.advance(20.0)
        assert {afternoon.known(identifier).stage for identifier in (601, 603)} == {Stage.ABSENT}

    def test_what_was_missing_yesterday_is_missed_today(self, afternoon: VirtualEvent) -> None:
        def sleep() -> None:
            afternoon.folder.state_file.unlink()
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
    def test_what_is_missing_of_another_day_of_the_event_or_of_no_day_leaves_no_device_collected(
        self, afternoon: VirtualEvent, missing: str, start: int, is_alarm: bool
    ) -> None:
        change = {"motion_file": "/logs/x.oao", "start_date": start, "local_file": f"gpslogs/x/{missing}"}
        entries = {**afternoon.ledger(601), missing: afternoon.ledger(602)[TRACKS[602]] | change}

        def owe() -> None:
            afternoon.folder.state_file.unlink()
            afternoon.folder.ledger_path(601).write_text(json.dumps(entries))

        begin_anew(afternoon, owe)
        assert afternoon.known(601).is_collected is not is_alarm
        afternoon.advance(20.0)
        assert bool(afternoon.said("motion-601 left too early, before this start")) is is_alarm

    def test_a_device_that_lists_an_unknown_log_without_a_date_is_not_collected(self, afternoon: VirtualEvent) -> None:
        path = afternoon.folder.device_folder(601) / "logs.json"

        def lose_its_clock() -> None:
            afternoon.folder.state_file.unlink()
            list_one_more(path, file="/logs/1980/01/0601_1980-01-06-0000.oao", start_date=315_964_800_000)

        begin_anew(afternoon, lose_its_clock)
        assert not afternoon.known(601).is_collected

    @pytest.mark.parametrize("is_listed", [True, False])
    def test_a_device_that_was_here_today_and_was_not_inspected_is_an_alarm(
        self, afternoon: VirtualEvent, is_listed: bool
    ) -> None:
        """It was its first visit, and the run before was killed in it."""
        motion = afternoon.folder.device_folder(601)

        def be_killed_in_between() -> None:
            afternoon.folder.state_file.unlink()
            (motion / "downloads.json").unlink()
            if not is_listed:
                (motion / "logs.json").unlink()
            for path in motion.iterdir():  # files have the time of the real clock
                os.utime(path, (AFTERNOON, AFTERNOON))

        begin_anew(afternoon, be_killed_in_between)
        afternoon.until("motion-601 left too early, before this start - Sailor 601: its tracks are not known yet")
        assert afternoon.known(601).left_early

    def test_a_device_whose_last_listing_failed_is_not_collected(self, event: VirtualEvent) -> None:
        event.utc = AFTERNOON
        device = event.collect()
        event.leave(601)
        event.until("motion-601 has been disconnected")
        device.logs.append(log_of(601, MORNING + HOUR))
        device.add_fault(Fault("half-json"), path="/logs.json")
        listing = event.folder.device_folder(601) / "logs.json"
        os.utime(listing, (0, listing.stat().st_mtime - 60))  # files have the time of the real clock
        event.lines.clear()
        event.arrive(601)
        event.until("must stay connected")
        event.leave(601)
        event.stop()
        event.folder.state_file.unlink()
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
            afternoon.folder.state_file.unlink()
            path.write_text(json.dumps(entries))

        begin_anew(afternoon, as_the_original_left_it)
        assert afternoon.known(601).is_collected
        track = afternoon.root / "gpslogs" / "20221017" / TRACKS[601]

        def cut_short() -> None:
            afternoon.folder.state_file.unlink()
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
    def test_a_device_that_listed_what_the_ledger_does_not_know_is_not_collected(
        self, afternoon: VirtualEvent, change: dict[str, Any]
    ) -> None:
        """The run before was killed when it had kept the listing, and not compared it yet."""
        path = afternoon.folder.device_folder(601) / "logs.json"

        def be_killed_in_between() -> None:
            afternoon.folder.state_file.unlink()
            list_one_more(path, **change)

        begin_anew(afternoon, be_killed_in_between)
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start")

    def test_a_ledger_of_any_program_does_no_harm(self, afternoon: VirtualEvent) -> None:
        path = afternoon.folder.ledger_path(601)
        entries = afternoon.ledger(601)
        entries[TRACKS[601]] |= {"duration": 10**30, "distance": -(10**30), "end_date": 1e300}
        entries["other"] = {"motion_file": 7, "status": "skipped"}

        def as_another_program_left_it() -> None:
            afternoon.folder.state_file.unlink()
            path.write_text(json.dumps(entries))

        begin_anew(afternoon, as_another_program_left_it)
        assert afternoon.known(601).is_collected
        afternoon.stop()
        assert saved_state(afternoon)["devices"]["601"]["stage"] == "gone"


class TestAnotherProgram:
    """The event went on with the original, and comes back: answers are newer than the state of a run that ended."""

    def touch(self, folder: EventFolder, identifier: int, *names: str) -> None:
        later = folder.state_file.stat().st_mtime + 10
        for name in names:
            os.utime(folder.device_folder(identifier) / name, (later, later))

    def test_ends_an_alarm_if_its_ledger_says_collected(self, afternoon: VirtualEvent) -> None:
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

    def test_leaves_an_alarm_if_its_ledger_does_not_say_collected(self, afternoon: VirtualEvent) -> None:
        begin_anew(afternoon, lambda: self.touch(afternoon.folder, 602, "info.json"))
        assert afternoon.known(602).left_early

    def test_that_met_a_collected_device_leaves_it_not_collected(self, afternoon: VirtualEvent) -> None:
        begin_anew(afternoon, lambda: self.touch(afternoon.folder, 601, "info.json"))
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start")

    def test_leaves_a_device_that_was_not_even_listed_as_an_alarm(self, event: VirtualEvent) -> None:
        """The state does not know the last answer, and there is no ledger."""
        event.utc = AFTERNOON
        event.device(601, log_of(601)).add_fault(Fault("no-headers"), path="/settings.json")
        event.start()
        event.arrive(601)
        event.until("motion-601 is connected")
        event.advance(2.0)

        def leave_and_meet_another_program() -> None:
            event.leave(601)
            self.touch(event.folder, 601, "info.json")

        begin_anew(event, leave_and_meet_another_program)
        event.until("motion-601 left too early, before this start - Sailor 601: its tracks are not known yet")
        assert event.known(601).left_early

    def test_leaves_an_alarm_for_what_it_could_not_fetch_even_if_the_state_seems_younger(
        self, afternoon: VirtualEvent
    ) -> None:
        """The clock was ahead when the state was saved, and right when the other program worked."""
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
        end(afternoon, lambda: self.set_back(afternoon.folder.state_file))
        afternoon.advance(60.0)
        assert afternoon.known(601).is_collected
        assert afternoon.known(602).left_early
        assert afternoon.known(604).waived
        assert not afternoon.said("motion-601 left too early")
        assert not afternoon.said("motion-604 left too early")

    @pytest.mark.parametrize("end", [begin_anew, be_killed])
    def test_leaves_no_device_collected_that_another_program_has_met_since(
        self, afternoon: VirtualEvent, end: Callable[..., None]
    ) -> None:
        path = afternoon.folder.device_folder(601) / "info.json"
        afternoon.advance(2.0)
        end(afternoon, lambda: self.set_back(path))
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start")

    def test_leaves_no_device_collected_whose_last_listing_may_be_older(self, afternoon: VirtualEvent) -> None:
        listing = afternoon.folder.device_folder(601) / "logs.json"

        def come_back_without_a_state_file() -> None:
            afternoon.folder.state_file.unlink()
            status = listing.stat()
            os.utime(listing, (status.st_atime, status.st_mtime + 7200))

        begin_anew(afternoon, come_back_without_a_state_file)
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start")


class TestAStateFileOfVersion1:
    """It does not say which answers it knew; their times do."""

    def make_old(self, event: VirtualEvent) -> None:
        state = {key: value for key, value in saved_state(event).items() if key != "answers"}
        event.folder.state_file.write_text(json.dumps(state | {"version": 1}))

    def test_is_understood(self, afternoon: VirtualEvent) -> None:
        begin_anew(afternoon, lambda: self.make_old(afternoon))
        assert afternoon.known(601).is_collected
        assert afternoon.known(602).left_early
        assert afternoon.known(604).waived
        assert saved_state(afternoon)["version"] == 2

    def test_is_not_believed_of_a_device_that_was_met_since(self, afternoon: VirtualEvent) -> None:
        def meet() -> None:
            self.make_old(afternoon)
            later = afternoon.folder.state_file.stat().st_mtime + 10
            os.utime(afternoon.folder.device_folder(601) / "info.json", (later, later))

        begin_anew(afternoon, meet)
        assert not afternoon.known(601).is_collected
