"""Slow devices give up their places to others, and are collected all the same."""

from __future__ import annotations

import pytest

from sse_twisted.config.settings import Downloads, Settings
from sse_twisted.control.explain import status_of
from sse_twisted.simulator.faults import parse_fault
from tests.support.event import VirtualEvent, log_of

SLOW = range(601, 617)  # as many as there are places
HONEST = 701


def slow_ones(event: VirtualEvent, *, resume: bool) -> None:
    """Sixteen devices at 1.2 KB/s, which need two minutes for their tracks, and have all places."""
    for identifier in SLOW:
        device = event.device(identifier, log_of(identifier, fixes=3000))
        device.bytes_per_second, device.supports_range = 1200, resume
    event.arrive(*SLOW)
    event.start()
    event.advance(10)
    assert all(event.known(identifier).downloading for identifier in SLOW)


def honest_one(event: VirtualEvent, identifier: int = HONEST) -> None:
    event.device(identifier, *(log_of(identifier, start=1_665_993_600_000 + hour * 3_600_000) for hour in range(3)))
    event.arrive(identifier)


@pytest.mark.slow
@pytest.mark.parametrize("resume", [True, False], ids=["that resume", "that can not resume"])
def test_an_honest_device_is_collected_within_a_minute_beside_slow_ones(event: VirtualEvent, resume: bool) -> None:
    slow_ones(event, resume=resume)
    honest_one(event)
    event.until(f"motion-{HONEST} can be disconnected", 60)
    for identifier in SLOW:
        event.until(f"motion-{identifier} can be disconnected", 600)
    assert not event.said(" failed - ")


@pytest.mark.slow
def test_slow_ones_are_collected_while_honest_ones_keep_coming(event: VirtualEvent) -> None:
    event.settings = Settings(downloads=Downloads(limit=2))
    for identifier in (601, 602, 603):
        device = event.device(identifier, log_of(identifier, fixes=1500))
        device.bytes_per_second, device.supports_range = 2400, True
    event.arrive(601, 602, 603)
    event.start()
    event.advance(10)
    for identifier in range(701, 790):
        honest_one(event, identifier)
        event.advance(4)
    for identifier in (601, 602, 603):
        event.until(f"motion-{identifier} can be disconnected", 1)
    event.advance(30)
    assert len(event.said("can be disconnected")) == 92


@pytest.mark.slow
def test_the_bytes_of_a_slow_device_are_kept(event: VirtualEvent) -> None:
    slow_ones(event, resume=True)
    for identifier in range(701, 717):
        honest_one(event, identifier)
    most: dict[str, int] = {}
    for _ in range(120):
        event.advance(0.5)
        for path in event.folder.partials.found():
            size = path.stat().st_size
            assert size > most.get(path.name, 0) - 52  # a part of a frame is sent again
            most[path.name] = max(most.get(path.name, 0), size)
    assert len(most) > 4
    for identifier in SLOW:
        event.until(f"motion-{identifier} can be disconnected", 900)
    assert not event.said("cannot be resumed")


@pytest.mark.slow
def test_a_slow_device_keeps_its_place_while_no_other_waits(event: VirtualEvent) -> None:
    slow_ones(event, resume=True)
    for identifier in SLOW:
        event.until(f"motion-{identifier} can be disconnected", 200)
        tracks = [target for _, target in event.servers[identifier].device.requests if target.startswith(b"/logs/")]
        assert len(tracks) == 1


@pytest.mark.slow
def test_a_device_that_ignores_ranges_gives_way_only_once(event: VirtualEvent) -> None:
    slow_ones(event, resume=False)
    honest_one(event)
    event.until(f"motion-{HONEST} can be disconnected", 60)
    honest_one(event, HONEST + 1)
    event.until(f"motion-{HONEST + 1} can be disconnected", 60)
    for identifier in SLOW:
        event.until(f"motion-{identifier} can be disconnected", 500)
        tracks = [target for _, target in event.servers[identifier].device.requests if target.startswith(b"/logs/")]
        assert len(tracks) <= 2


def test_a_device_that_refused_a_range_before_keeps_its_place_and_does_not_count(event: VirtualEvent) -> None:
    event.settings = Settings(downloads=Downloads(limit=1))
    device = event.device(601, log_of(601, fixes=1500))
    device.supports_range = True
    device.add_fault(parse_fault("cut@30000")[0], path="/logs/", times=1)
    device.add_fault(parse_fault("range-status@416")[0], path="/logs/")
    device.bytes_per_second = 1200
    event.arrive(601)
    event.start()
    event.until("cannot be resumed")
    event.advance(12)
    honest_one(event)
    event.until(f"motion-{HONEST} can be disconnected", 10)
    event.advance(1)
    assert event.known(601).downloading
    event.until("motion-601 can be disconnected", 120)
    assert len(event.said("motion-601", 0)) == len(set(event.said("motion-601", 0)))


def test_devices_that_stall_do_not_hold_all_places(event: VirtualEvent) -> None:
    for identifier in SLOW:
        device = event.device(
            identifier, *(log_of(identifier, start=1_665_993_600_000 + n * 3_600_000) for n in range(9))
        )
        device.add_fault(parse_fault("stall@100")[0], path="/logs/")
    event.arrive(*SLOW)
    event.start()
    event.advance(3)
    honest_one(event)
    assert event.until(f"motion-{HONEST} can be disconnected", 60)


@pytest.mark.parametrize("page", ["info.json", "settings.json", "logs.json"])
def test_slow_answers_do_not_hold_all_places_of_the_inspection(event: VirtualEvent, page: str) -> None:
    for identifier in range(601, 681):
        device = event.device(identifier, log_of(identifier))
        device.add_fault(parse_fault("drip:0.5")[0], path=page)
    event.arrive(*range(601, 681))
    event.start()
    event.advance(3)
    honest_one(event)
    assert event.until(f"motion-{HONEST} can be disconnected", 40)


@pytest.mark.slow
def test_a_slow_device_is_named_once_and_everywhere(event: VirtualEvent) -> None:
    slow_ones(event, resume=True)
    line = "WARN motion-601 ABC601XYZ_601_20221017_090000.oao is slow (1.2 KB/s): other devices go first"
    assert event.said("motion-601 ABC601XYZ_601_20221017_090000.oao is slow") == [line]
    known = event.known(601)
    assert known.slow == "1.2 KB/s"
    assert event.collector is not None
    text = status_of(known, event.collector.fleet.now, event.collector.live, "", ())
    assert text.endswith("; slow (1.2 KB/s): it gives way to other devices")
    event.until("motion-601 can be disconnected", 200)
    assert event.known(601).slow == ""
    assert len(event.said("motion-601 ABC601XYZ_601_20221017_090000.oao is slow")) == 1


def test_a_device_of_usual_speed_is_not_slow(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601, fixes=60_000))  # 3 MB
    device.bytes_per_second = 390_000
    event.arrive(601)
    event.start()
    event.until("motion-601 can be disconnected")
    assert not event.said("is slow")
