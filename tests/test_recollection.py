from __future__ import annotations

import os

import pytest

from sse_twisted.fleet import Stage
from sse_twisted.simulator.faults import Fault
from tests.event import MORNING, VirtualEvent, log_of

AFTERNOON = MORNING / 1000 + 8 * 3600  # s


@pytest.fixture
def restarted(event: VirtualEvent) -> VirtualEvent:
    """601 was collected, 602 has gone with its track, 603 was never here; then the collector began anew."""
    event.utc = AFTERNOON
    for identifier in (601, 602, 603):
        event.device(identifier, log_of(identifier))
    event.servers[602].device.add_fault(Fault("cut", at=1000), path="/logs/")
    event.start()
    event.arrive(601, 602)
    event.until("motion-601 can be disconnected")
    event.until("motion-602 must stay connected")
    event.leave(601, 602)
    event.until("motion-602 left too early")
    event.stop()
    event.lines.clear()
    event.start()
    event.advance(1.0)
    return event


def test_who_was_collected_is_gone_and_not_expected(restarted: VirtualEvent) -> None:
    device = restarted.known(601)
    assert device.stage is Stage.GONE
    assert device.is_collected
    assert [track.name for track in device.tracks] == ["ABC601XYZ_601_20221017_090000.oao"]
    assert restarted.known(603).stage is Stage.ABSENT


def test_who_left_too_early_is_an_alarm_again(restarted: VirtualEvent) -> None:
    assert not restarted.known(602).left_early
    line = restarted.until("motion-602 left too early, before this start")
    assert line.endswith("Sailor 602: 1 of 1 tracks missing (ABC602XYZ_602_20221017_090000.oao)")
    assert restarted.known(602).left_early


def test_who_is_still_there_has_not_left(restarted: VirtualEvent) -> None:
    restarted.servers[602].device.clear_faults()
    restarted.arrive(602)
    restarted.until("motion-602 can be disconnected")
    restarted.advance(20.0)
    assert not restarted.said("left too early")


def test_what_was_collected_yesterday_is_not_done_today(restarted: VirtualEvent) -> None:
    restarted.stop()
    restarted.reactor.advance(86_400)
    restarted.start()
    restarted.advance(20.0)
    assert {restarted.known(identifier).stage for identifier in (601, 602, 603)} == {Stage.ABSENT}


def test_a_device_whose_last_listing_could_not_be_read_is_not_taken_for_collected(event: VirtualEvent) -> None:
    event.utc = AFTERNOON
    device = event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    event.until("motion-601 can be disconnected")
    event.leave(601)
    event.until("motion-601 has been disconnected")
    device.logs.append(log_of(601, MORNING + 3_600_000))
    device.add_fault(Fault("half-json"), path="/logs.json")
    listing = event.folder.motion(601) / "logs.json"
    os.utime(listing, (0, listing.stat().st_mtime - 60))  # files have the time of the real clock
    event.lines.clear()
    event.arrive(601)
    event.until("must stay connected")
    event.leave(601)
    event.stop()
    event.lines.clear()
    event.start()
    event.until("ERROR motion-601 left too early, before this start - Sailor 601: its tracks are here, but were not")
    assert not event.known(601).is_collected
