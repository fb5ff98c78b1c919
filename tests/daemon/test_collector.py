from __future__ import annotations

import datetime
import errno
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from sse_twisted.config.roster_reader import RosterReader
from sse_twisted.config.settings import Detection, Devices, Event, Expected, Filters, Scan, Settings
from sse_twisted.event_folder.partial import PartialTrack
from sse_twisted.simulator.faults import parse_fault
from tests.support.event import MORNING, VirtualEvent, log_of, track


def test_a_lower_filter_is_applied_to_what_was_skipped(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.settings = Settings(filters=Filters(best_500m=99.0))
    event.arrive(601)
    collector = event.start()
    event.until("DEBUG motion-601 ABC601XYZ_601_20221017_090000.oao skipped")
    event.until("can be disconnected")
    assert event.tracks() == {}
    event.settings = Settings(filters=Filters(best_500m=1.0))
    collector.reload()
    event.until("downloaded")
    assert event.ledger(601)["ABC601XYZ_601_20221017_090000.oao"]["status"] == "completed"
    event.stop()


def test_another_time_zone_in_the_log_than_on_the_board_is_remarked(
    event: VirtualEvent, far_west: datetime.timezone
) -> None:
    collector = event.start()
    said = (
        "INFO Times in server.log are UTC-03:30, as on this computer; on the board they are UTC+01:00, as at the event"
    )
    assert event.said("Times in server.log") == [said]
    event.write_roster()
    event.advance(5)
    event.settings = Settings(expected=Expected(timezone=-210))
    collector.reload()
    assert event.said("Times in server.log") == [said]
    event.settings = Settings(expected=Expected(timezone=0))
    collector.reload()
    assert event.said("Times in server.log")[1:] == [said.replace("UTC+01:00", "UTC")]


def test_the_same_time_zone_in_the_log_and_on_the_board_is_not_remarked(
    event: VirtualEvent, far_west: datetime.timezone
) -> None:
    event.settings = Settings(expected=Expected(timezone=-210))
    event.start()
    assert not event.said("Times in server.log")


def test_scans_that_may_take_longer_than_their_interval_are_remarked_once(event: VirtualEvent) -> None:
    for identifier in range(601, 641):
        event.person(identifier)
    event.settings = Settings(scan=Scan(interval=5.0), detection=Detection(limit=8))
    collector = event.start()
    assert not event.said("Slow scans")
    event.person(641)
    event.until("INFO Slow scans: a scan takes 6 s if no device is there (8 at once); raise")
    event.person(642)
    event.advance(5)
    event.settings = Settings()
    collector.reload()
    event.advance(5)
    assert len(event.said("Slow scans")) == 1
    event.stop()


def test_a_full_disk_pauses_downloads_once_and_loudly_until_there_is_room(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(partial: PartialTrack, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    room = True
    devices = [event.device(identifier, log_of(identifier)) for identifier in (601, 602, 603)]
    monkeypatch.setattr(PartialTrack, "write", write)
    monkeypatch.setattr(event.folder.__class__, "check_writable", lambda self: write)
    monkeypatch.setattr(event.folder.__class__, "free", lambda self: 10**12 if room else 0)
    event.arrive(601, 602, 603)
    event.start()
    event.until("CRITICAL Downloads pause: No space left on device")
    room = False
    event.advance(60)
    assert len(event.said("Downloads pause")) == 1
    assert not event.said("can be disconnected")
    asked = sum(target.startswith(b"/logs/") for device in devices for _, target in device.requests)
    assert asked <= 3, "a device was asked for tracks that can't be kept"
    monkeypatch.undo()
    event.until("Downloads resume")
    event.until("motion-603 can be disconnected")
    event.advance(5)
    assert len(event.tracks()) == 3
    event.stop()


def test_the_end_says_what_is_not_collected(event: VirtualEvent) -> None:
    event.device(601, log_of(601)).add_fault(parse_fault("404")[0], path="/logs/")
    event.device(602, log_of(602))
    event.arrive(601, 602)
    event.start()
    event.until("motion-601 must stay connected")
    event.until("motion-602 can be disconnected")
    event.stop()
    missing = "1 of 1 track missing (ABC601XYZ_601_20221017_090000.oao)"
    assert event.said(f"ERROR motion-601 is not collected - Sailor 601: {missing}")
    assert event.lines[-1] == "INFO Collector stopped: 1 device collected"


def test_a_track_of_the_original_is_taken_over_if_it_is_whole(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601), log_of(601, MORNING + 3_600_000))
    day = event.root / "gpslogs" / "20221017"
    day.mkdir(parents=True)
    whole, half = track(601), device.logs[1].content[:5000]
    (day / "ABC601XYZ_601_20221017_090000.oao").write_bytes(whole)
    (day / "ABC601XYZ_601_20221017_100000.oao").write_bytes(half)
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    asked = [target.decode() for _, target in device.requests if target.startswith(b"/logs/")]
    assert asked == [device.logs[1].path]
    assert event.tracks() == {
        "gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao": whole,
        "gpslogs/20221017/ABC601XYZ_601_20221017_100000.oao": device.logs[1].content,
        "gpslogs/superseded/20221017/ABC601XYZ_601_20221017_100000.oao.1": half,
    }
    event.stop()


def test_a_path_that_can_not_be_written_to_costs_its_own_track_only(event: VirtualEvent) -> None:
    event.device(601, log_of(601, MORNING + 86_400_000), log_of(601))
    event.device(602, log_of(602))
    (event.root / "gpslogs").mkdir()
    (event.root / "gpslogs" / "20221018").write_text("in the way")
    event.arrive(601, 602)
    event.start()
    event.until("motion-602 can be disconnected")
    event.until("motion-601 must stay connected - 1 of 2 tracks missing (File exists")
    event.advance(60)
    assert not event.said("Downloads pause")
    assert len(event.said("can be disconnected")) == 1
    (event.root / "gpslogs" / "20221018").unlink()
    assert event.until("motion-601 can be disconnected")


def test_a_roster_of_another_year_does_not_cost_a_day(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601), person=False)
    event.person(601, "2021-10-15", "2021-10-21")
    event.arrive(601)
    event.start()
    assert event.said("WARN The event is over: its last day was 2021-10-21. If not, correct the roster")
    event.until("WARN motion-601 motion-601_20221017_090000.oao is unassigned")
    event.until("can be disconnected")
    assert event.tracks() == {"gpslogs/unassigned/20221017/motion-601_20221017_090000.oao": device.logs[0].content}


def test_a_device_without_a_track_of_the_event_is_said_to_be_one(event: VirtualEvent) -> None:
    event.device(601, log_of(601), log_of(601, MORNING + 86_400_000), person=False)
    event.person(601, "2023-10-15", "2023-10-21")
    event.arrive(601)
    event.start()
    line = event.until("can be disconnected")
    assert line == "INFO motion-601 can be disconnected - none of its tracks (2) is of the event's days"
    assert event.tracks() == {}


def test_days_that_the_configuration_sets_are_the_event_s_to_the_last(event: VirtualEvent) -> None:
    event.device(601, log_of(601), person=False)
    event.settings = Settings(event=Event(first_day=date(2022, 10, 10), last_day=date(2022, 10, 16)))
    event.person(601, "2022-10-10", "2022-10-16")
    event.arrive(601)
    event.start()
    assert event.until("can be disconnected - none of its tracks (1) is of the event's days")


def test_a_device_that_is_there_at_the_start_is_not_collected_before_the_roster_is_read(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        is_roster = isinstance(getattr(function, "__self__", None), RosterReader)
        return deferLater(event.reactor, 5.0 if is_roster else 0.0, function, *args, **kwargs)

    monkeypatch.setattr("tests.support.event.at_once", slowly)
    last_month = MORNING - 40 * 86_400_000
    event.device(601, log_of(601, last_month), log_of(601))
    event.settings = Settings(devices=Devices(addresses={"motion-601": "10.0.2.89"}))
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    assert list(event.tracks()) == ["gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao"]
