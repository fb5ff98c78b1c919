from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from twisted.logger import LogEvent

from sse_twisted.event_folder.folder import EventFolder, Stamps
from sse_twisted.fleet import Stage
from sse_twisted.runtime.group_sync import Steps
from sse_twisted.simulator.faults import Fault
from tests.history.afternoon import (
    AFTERNOON,
    DAY,
    HOUR,
    TRACKS,
    be_killed,
    change_state,
    list_one_more,
    saved_state,
    waive,
)
from tests.support.event import MORNING, VirtualEvent, begin_anew, log_of
from tests.support.virtual import LateThreads


class TestWithASavedState:
    @pytest.fixture
    def restarted(self, afternoon: VirtualEvent) -> VirtualEvent:
        begin_anew(afternoon)
        return afternoon

    def test_a_collected_device_is_gone_and_not_expected(self, restarted: VirtualEvent) -> None:
        device = restarted.known(601)
        assert device.stage is Stage.GONE
        assert device.is_collected
        assert [track.name for track in device.tracks] == [TRACKS[601]]
        assert device.battery == 83
        assert restarted.known(603).stage is Stage.ABSENT

    def test_a_device_that_left_too_early_is_an_alarm_at_once(self, restarted: VirtualEvent) -> None:
        device = restarted.known(602)
        assert (device.stage, device.missing) == (Stage.GONE, (TRACKS[602],))
        assert device.left_early == f"Sailor 602: 1 of 1 track missing ({TRACKS[602]})"
        assert restarted.said(f"ERROR motion-602 left too early, before this start - {device.left_early}")

    def test_a_waived_device_is_waived_with_its_reason(self, restarted: VirtualEvent) -> None:
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

    def test_a_waived_device_that_comes_back_and_leaves_again_is_an_alarm(self, restarted: VirtualEvent) -> None:
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
        assert not afternoon.said("no longer waived")
        stages = {identifier: afternoon.known(identifier).stage for identifier in TRACKS}
        assert stages == {601: Stage.ABSENT, 602: Stage.GONE, 603: Stage.ABSENT, 604: Stage.ABSENT}
        assert afternoon.known(602).left_early
        assert not afternoon.known(604).waived

    def test_an_alarm_of_a_device_that_is_off_the_roster_stays(self, afternoon: VirtualEvent) -> None:
        afternoon.people = [row for row in afternoon.people if row["Motion ID"] != "602"]
        begin_anew(afternoon, afternoon.write_roster)
        assert afternoon.known(602).left_early

    def test_visits_and_the_last_arrival_are_those_of_today(self, afternoon: VirtualEvent) -> None:
        def visits(identifier: int) -> list[str]:
            assert afternoon.collector is not None
            return [visit.verdict.partition(" - ")[0] for visit in afternoon.collector.attendance.of(identifier)]

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

    def test_only_its_owner_may_read_the_file(self, restarted: VirtualEvent) -> None:
        assert restarted.folder.state_file.stat().st_mode & 0o777 == 0o600
        assert restarted.folder.state.stat().st_mode & 0o777 == 0o700


class TestADeviceThatIsStillThere:
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
        assert "was here before, looked for" in present.collector.commands.why(602)  # type: ignore[union-attr]
        begin_anew(present)
        assert not present.said("motion-602 left")
        present.until("motion-602 left too early, before this start")

    def test_can_be_waived_before_it_has_left(self, present: VirtualEvent) -> None:
        begin_anew(present, lambda: present.leave(601, 602))
        waive(present, 602)
        present.advance(60.0)
        assert not present.said("left too early")
        assert (present.known(602).stage, present.known(602).is_collected) == (Stage.GONE, False)

    def test_stays_waived_over_two_short_runs_on_another_day(self, present: VirtualEvent) -> None:
        def sleep() -> None:
            present.leave(601, 602)
            present.reactor.advance(DAY)

        begin_anew(present, sleep)
        waive(present, 602)
        begin_anew(present)
        present.advance(60.0)
        assert not present.said("left too early")

    def test_and_goes_on_another_day_has_left_too_early(self, present: VirtualEvent) -> None:
        def sleep() -> None:
            present.leave(601, 602)
            present.reactor.advance(DAY)

        begin_anew(present, sleep)
        present.until("motion-602 left too early, before this start")
        assert present.known(601).stage is Stage.ABSENT


class TestAKill:
    """Between an event and the next write of the state file."""

    def test_after_a_verdict_costs_at_most_an_alarm_too_many(self, event: VirtualEvent) -> None:
        event.utc = AFTERNOON
        event.device(601, log_of(601)).bytes_per_second = 8000
        event.start()
        event.arrive(601)
        event.until("motion-601 ABC601XYZ_601_20221017_090000.oao queued")
        event.advance(1.5)
        before = event.folder.state_file.read_bytes()
        times = event.folder.state_file.stat()
        event.until("motion-601 can be disconnected")
        event.stop()
        event.leave(601)
        event.folder.state_file.write_bytes(before)
        os.utime(event.folder.state_file, ns=(times.st_atime_ns, times.st_mtime_ns))
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

    def test_while_a_collected_device_is_back_does_not_leave_it_collected(self, afternoon: VirtualEvent) -> None:
        """Its new track is not even listed: only the state file can tell of it."""
        device = afternoon.servers[601].device
        device.logs.append(log_of(601, MORNING + HOUR))
        device.add_fault(Fault("no-headers"), path="/logs.json")
        afternoon.lines.clear()
        afternoon.arrive(601)
        afternoon.until("motion-601 is connected")
        be_killed(afternoon, lambda: afternoon.leave(601))
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start - Sailor 601: its tracks are here, but were not")

    def test_while_the_roster_wants_more_of_a_collected_device_does_not_leave_it_collected(
        self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It lists what it listed before its verdict, and only the state cannot be written."""
        event.utc = AFTERNOON
        yesterday = log_of(601, MORNING - DAY * 1000)
        event.device(601, log_of(601), yesterday, person=False).add_fault(Fault("404"), path=yesterday.path)
        event.person(601, "2022-10-17", "2022-10-21")
        event.arrive(601)
        event.start()
        event.until("motion-601 can be disconnected")
        event.advance(3)

        def fail(folder: EventFolder, data: bytes) -> Steps[None]:
            raise PermissionError(13, "Permission denied", str(folder.state_file))
            yield ()

        with monkeypatch.context() as patch:
            patch.setattr(EventFolder, "saving_state", fail)
            event.people[0]["Start Date"] = "2022-10-15"
            event.write_roster()
            event.until("motion-601 must stay connected")
            event.advance(3)
            event.leave(601)
            event.stop()
        event.lines.clear()
        event.start()
        event.until("ERROR motion-601 left too early, before this start")
        assert not event.known(601).is_collected

    def test_before_a_first_visit_was_saved_leaves_it_not_done(self, afternoon: VirtualEvent) -> None:
        path = afternoon.folder.state_file
        afternoon.advance(2.0)
        before, times = path.read_bytes(), path.stat()
        afternoon.arrive(603)
        afternoon.until("motion-603 can be disconnected")
        afternoon.leave(603)
        afternoon.stop()
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        afternoon.lines.clear()
        afternoon.start()
        assert afternoon.until("motion-603 left too early, before this start")

    def test_between_an_answer_and_the_next_write_does_not_leave_it_collected(
        self, afternoon: VirtualEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The listing with a new track came during a write, so that the state file looks younger."""
        keep = EventFolder.saving_state
        path = afternoon.folder.device_folder(601) / "logs.json"

        def keep_late(folder: EventFolder, data: bytes) -> Steps[None]:
            list_one_more(path)
            yield from keep(folder, data)

        afternoon.advance(2.0)
        with monkeypatch.context() as patch:
            patch.setattr(EventFolder, "saving_state", keep_late)
            assert afternoon.collector is not None
            afternoon.collector.fleet.update(601, battery=50)
            afternoon.advance(0.1)
        be_killed(afternoon)
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start")

    def test_after_a_return_during_a_write_does_not_leave_it_collected(
        self, afternoon: VirtualEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The state may not know an answer and not know that the device is back."""
        assert afternoon.collector is not None
        fleet, read = afternoon.collector.fleet, EventFolder.stamps_of

        def come_back_and_read(folder: EventFolder, identifiers: Iterable[int]) -> dict[int, Stamps]:
            fleet.update(601, stage=Stage.CONNECTED)
            list_one_more(folder.device_folder(601) / "logs.json")
            return read(folder, identifiers)

        afternoon.advance(2.0)
        with monkeypatch.context() as patch:
            patch.setattr(EventFolder, "stamps_of", come_back_and_read)
            fleet.update(602, battery=50)
            afternoon.advance(0.1)
        be_killed(afternoon)
        assert not afternoon.known(601).is_collected
        afternoon.until("motion-601 left too early, before this start")


def test_a_device_that_is_found_at_once_after_a_start_has_not_left_early(event: VirtualEvent) -> None:
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


def meet_before_restoring(event: VirtualEvent, identifier: int) -> None:
    """Start again; a device is there before the state is restored."""
    event.stop()
    event.lines.clear()
    event.start_in_thread = LateThreads(event.reactor, [3.0]).start
    event.arrive(identifier)
    event.start()
    event.until(f"motion-{identifier} is connected")


def test_a_device_that_is_met_before_the_state_is_restored_is_present_and_no_alarm(afternoon: VirtualEvent) -> None:
    meet_before_restoring(afternoon, 601)
    afternoon.until("motion-602 left too early, before this start")
    afternoon.advance(1.0)
    assert (afternoon.known(601).present, afternoon.known(601).left_early) == (True, "")


def test_a_waiver_of_a_device_that_is_met_before_it_is_restored_ends_and_says_so(afternoon: VirtualEvent) -> None:
    meet_before_restoring(afternoon, 604)
    afternoon.until("motion-604 is no longer waived: it has been connected since")
    assert (afternoon.known(604).present, afternoon.known(604).waived) == (True, "")


class TestAnUnusableStateFile:
    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b'{"format": "sse_twisted mem', "Input data was truncated"),
            (b"", "Input data was truncated"),
            (b"\0" * 500, "JSON is malformed"),
            (b'{"format":' * 100_000, "recursion"),
            (b'{"format": "\xff\xfe"}', "utf-8"),
            (b"[]", "Expected `object`, got `array`"),
            (b'{"version": 1}', "not a state file of this collector"),
            (
                b'{"format": "sse_twisted memory", "version": 3}',
                "unknown version 3; this collector reads",
            ),
            (
                b'{"format": "sse_twisted memory", "version": 0}',
                "unknown version 0; this collector reads",
            ),
            (b'{"format": "sse_twisted memory", "version": 1}', "Object missing required field `saved_at`"),
        ],
    )
    def test_is_quarantined_with_one_line_and_the_ledgers_decide(
        self, afternoon: VirtualEvent, content: bytes, why: str
    ) -> None:
        begin_anew(afternoon, lambda: afternoon.folder.state_file.write_bytes(content))
        (line,) = afternoon.said("Saved state is unreadable")
        assert why.lower() in line.lower()
        aside = afternoon.folder.state / "memory.json.unusable.1"
        assert str(aside) in line
        assert aside.read_bytes() == content
        assert afternoon.known(601).is_collected
        afternoon.until("motion-602 left too early, before this start")
        assert saved_state(afternoon)["devices"].keys() >= {"601", "602"}

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
    def test_of_wrong_types_is_quarantined_as_well(self, afternoon: VirtualEvent, device: Any) -> None:
        begin_anew(afternoon, lambda: change_state(afternoon, devices={"601": device}))
        assert afternoon.said("Saved state is unreadable")
        assert afternoon.known(601).is_collected

    def test_that_is_a_folder_is_quarantined(self, afternoon: VirtualEvent) -> None:
        def replace() -> None:
            afternoon.folder.state_file.unlink()
            afternoon.folder.state_file.mkdir()

        begin_anew(afternoon, replace)
        assert afternoon.said("Saved state is unreadable, rebuilding it from the ledgers: Is a directory; kept as ")
        afternoon.stop()
        assert afternoon.folder.state_file.is_file()


class TestAnInternalError:
    """While the state is restored."""

    def test_with_one_device_counts_it_as_not_done_and_restores_the_others(
        self, afternoon: VirtualEvent, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("no way")

        monkeypatch.setattr(EventFolder, "is_stored", fail)
        begin_anew(afternoon)
        assert afternoon.said("Judging the saved state of motion-601 failed; it counts as not collected")
        assert not afternoon.known(601).is_collected
        assert afternoon.known(602).left_early
        assert afternoon.known(604).waived
        afternoon.until("motion-601 left too early, before this start")
        assert saved_state(afternoon)["devices"]["601"]["left_early"]
        logged_failures.clear()

    @pytest.mark.parametrize("is_there", [True, False])
    def test_with_all_of_them_leaves_a_state_file_as_it_is_and_writes_one_where_there_was_none(
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
            afternoon.folder.state_file.unlink()
        before = afternoon.folder.state_file.read_bytes() if is_there else b""
        afternoon.lines.clear()
        with monkeypatch.context() as patch:
            patch.setattr(EventFolder, "all_entries", fail)
            afternoon.start()
        afternoon.arrive(601)
        afternoon.until("motion-601 can be disconnected")
        assert afternoon.said("Restoring the state of the devices failed")
        afternoon.stop()
        assert (afternoon.folder.state_file.read_bytes() == before) is is_there
        afternoon.start()
        afternoon.advance(1.0)
        assert bool(afternoon.known(602).left_early) is True
        logged_failures.clear()
