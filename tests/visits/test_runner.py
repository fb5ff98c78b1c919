"""What a visit does again and again: inspect, download, judge, and wait for what comes next."""

from __future__ import annotations

import pytest

from sse_twisted.config.settings import Downloads, Settings
from sse_twisted.fleet import Stage
from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.faults import parse_fault
from tests.support.event import MORNING, VirtualEvent, log_of

HOUR = 3_600_000


def asked(device: SimulatedDevice) -> list[str]:
    return [target.decode() for _, target in device.requests]


def test_a_visit_asks_for_identity_settings_listing_tracks_and_the_listing_again(event: VirtualEvent) -> None:
    device = event.collect()
    listing = ["/logs.json", "/info.json"]  # a listing does not say whose it is
    assert asked(device) == ["/info.json", "/settings.json", *listing, device.logs[0].path, *listing]


def test_a_device_without_anything_new_is_judged_by_one_listing(event: VirtualEvent) -> None:
    device = event.collect()
    device.requests.clear()
    event.wake_all()
    event.advance(1)
    assert asked(device) == ["/logs.json", "/info.json"]
    assert len(event.said("can be disconnected")) == 2


def test_retries_double_their_delay_up_to_the_longest(event: VirtualEvent) -> None:
    event.settings = Settings(downloads=Downloads(first_retry=1.0, last_retry=5.0))
    event.device(601, log_of(601)).add_fault(parse_fault("404")[0], path="/logs/")
    event.arrive(601)
    event.start()
    for retry, delay in enumerate((1, 2, 4, 5, 5), 1):
        event.until(f"retry {retry} in {delay} s")
    assert event.known(601).tries == 5


def test_retries_begin_anew_when_one_track_more_is_here(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601), log_of(601, MORNING + HOUR))
    device.add_fault(parse_fault("404")[0], path=device.logs[0].path, times=3)
    device.add_fault(parse_fault("404")[0], path=device.logs[1].path, times=99)
    event.arrive(601)
    event.start()
    event.until("2 of 2 tracks missing (request refused (HTTP 404)), retry 3 in 8 s")
    assert event.until("1 of 2 tracks missing (request refused (HTTP 404)), retry 1 in 2 s")


def test_the_device_may_ask_for_a_longer_delay(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    device.add_fault(parse_fault("503:7")[0], path="/logs/", times=1)
    event.arrive(601)
    event.start()
    assert event.until("retry 1 in 7 s")
    assert event.until("can be disconnected")


def test_a_track_that_failed_comes_after_those_that_did_not(event: VirtualEvent) -> None:
    device = event.device(601, *(log_of(601, MORNING + number * HOUR) for number in range(3)))
    device.add_fault(parse_fault("cut@3000")[0], path=device.logs[0].path, times=1)
    device.add_fault(parse_fault("cut@3000")[0], path=device.logs[1].path, times=2)
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    first, second, third = (log.path for log in device.logs)
    tracks = [path for path in asked(device) if path.startswith("/logs/")]
    assert tracks == [first, second, third, first, second, second]


def test_of_a_device_that_does_not_answer_twice_in_a_row_no_more_is_asked(event: VirtualEvent) -> None:
    device = event.device(601, *(log_of(601, MORNING + number * HOUR) for number in range(5)))
    device.add_fault(parse_fault("refused")[0], path="/logs/")
    event.arrive(601)
    event.start()
    event.until("queued")
    event.leave(601)
    event.until("has been disconnected")
    assert len(event.said("failed - ")) == 2
    assert event.known(601).stage is Stage.GONE


def test_what_is_queued_is_said_once_in_a_visit_and_again_in_the_next(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    device.add_fault(parse_fault("404")[0], path="/logs/")
    event.arrive(601)
    event.start()
    event.until("retry 3 in 8 s")
    assert len(event.said("queued - ")) == 1
    event.leave(601)
    event.until("left too early")
    event.arrive(601)
    event.until("retry 1 in 2 s")
    event.advance(10)
    assert len(event.said("queued - ")) == 2


def test_a_roster_that_changes_while_a_device_is_judged_counts_in_its_verdict(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    device.bytes_per_second = 4000
    event.arrive(601)
    event.start()
    event.until("queued")
    event.people.clear()
    event.person(601, file_id="NEW1")
    event.until("can be disconnected")
    event.advance(1)
    assert list(event.tracks()) == ["gpslogs/20221017/NEW1_601_20221017_090000.oao"]


class TestWhileDownloadsArePaused:
    @pytest.fixture
    def device(self, event: VirtualEvent) -> SimulatedDevice:
        """A device with two tracks, met while downloads are paused."""
        device = event.device(601, log_of(601), log_of(601, MORNING + HOUR))
        device.bytes_per_second = 4000
        collector = event.start()
        collector.commands.pause()
        event.arrive(601)
        event.until("motion-601 must stay connected - 2 of 2 tracks missing, downloads are paused")
        return device

    def test_nothing_is_fetched_or_retried(self, event: VirtualEvent, device: SimulatedDevice) -> None:
        requests = len(device.requests)
        event.advance(60)
        assert not [path for path in asked(device)[requests:] if path != "/info.json"]  # which a probe asks for
        assert (event.known(601).stage, event.known(601).retry_at) == (Stage.ATTENTION, None)

    def test_its_tracks_come_as_soon_as_they_are_resumed(self, event: VirtualEvent, device: SimulatedDevice) -> None:
        assert event.collector is not None
        event.collector.commands.resume()
        event.until("can be disconnected", 30)
        assert sorted(event.tracks().values()) == sorted(log.content for log in device.logs)
