"""Devices that cut a track once, and answer the request for its rest badly: all are collected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sse_twisted.simulator.device import ActiveFault
from sse_twisted.simulator.faults import parse_fault
from tests.simulator.wire import on_the_reactor
from tests.support.event import log_of
from tests.support.real_event import RealEvent, WatchedDevice

LOG = log_of(601)
LENGTH = len(LOG.content)
HALF = 512 + 52 * 200
START = HALF - 4096
NAME = "ABC601XYZ_601_20221017_090000.oao"
CUT = f"cut@{HALF}"
CERTAIN = [
    "range-bare",
    "range-equals",
    "range-multipart",
    "range-total",
    "range-shifted",
    "range-status@400",
    "range-status@403",
    "range-status@416",
    "range-status@501",
    "range-short@100",
]
UNCERTAIN = ["range-status@500", "range-status@503", "range-reset", "range-silent"]


def device_with(event: RealEvent, *faults: str, cuts: int | None = 1) -> WatchedDevice:
    """A device that can resume, which cuts the track at its half so many times, None for always, and has faults."""
    event.change(downloads={"timeout": 0.3})
    device = event.device(601, LOG)
    device.supports_range = True
    for fault in faults:
        device.add_fault(parse_fault(fault)[0], path=LOG.path)
    device.faults.append(ActiveFault(parse_fault(CUT)[0], LOG.path, cuts))
    return device


def whole_requests(device: WatchedDevice) -> int:
    return device.asked.count(LOG.path) - len(device.ranges)


@pytest.mark.parametrize("fault", CERTAIN + UNCERTAIN)
@on_the_reactor
async def test_after_a_bad_part_the_whole_track_is_requested(event: RealEvent, fault: str) -> None:
    device = device_with(event, fault)
    await event.collect()
    assert event.contents() == [LOG.content]
    assert (whole_requests(device), device.ranges) == (2, [b"bytes=%d-" % START])
    assert len(event.said(f"{NAME} cannot be resumed: it is requested from its first byte next")) == 1
    assert "resume" not in event.ledger(601)[NAME]
    assert not event.partials()


async def leave_and_return(event: RealEvent) -> None:
    await event.leave(601)
    await event.until("motion-601 has been disconnected")
    await event.arrive(601)


async def restart(event: RealEvent) -> None:
    await event.stop()
    event.lines.clear()
    (event.folder.logs / "server.log").unlink()
    await event.start()


async def retry(event: RealEvent) -> None:
    assert event.collector is not None
    event.collector.commands.retry(601)


async def forget(event: RealEvent) -> None:
    assert event.collector is not None
    event.collector.commands.forget(601)


@pytest.mark.parametrize("fault", ["range-equals", "range-status@400"])
@pytest.mark.parametrize("act", [leave_and_return, restart, retry, forget])
@on_the_reactor
async def test_a_device_that_cannot_resume_is_remembered(
    event: RealEvent, act: Callable[[RealEvent], Awaitable[None]], fault: str
) -> None:
    device = device_with(event, fault, cuts=None)
    await event.begin()
    await event.until("cannot be resumed")
    await act(event)
    since = event.now
    await event.until(f"{NAME} failed - ", since=since, times=2)
    assert len(device.ranges) == 1
    await event.check_that_it_is_collected_when_cleared()
    assert len(device.ranges) == 1


@pytest.mark.parametrize("fault", ["range-reset", "range-silent", "range-status@503"])
@on_the_reactor
async def test_what_may_be_the_networks_fault_is_remembered_the_second_time(event: RealEvent, fault: str) -> None:
    device = device_with(event, fault, cuts=None)
    await event.begin()
    await event.until("cannot be resumed", times=2)
    since = event.now
    await event.until(f"{NAME} failed - ", since=since, times=3)
    assert len(device.ranges) == 2
    await event.check_that_it_is_collected_when_cleared()
    assert len(device.ranges) == 2


@on_the_reactor
async def test_a_reset_by_the_network_does_not_end_resuming_for_good(event: RealEvent) -> None:
    device = device_with(event, cuts=2)
    device.faults.insert(0, ActiveFault(parse_fault("range-reset")[0], LOG.path, 1))
    await event.collect()
    assert event.contents() == [LOG.content]
    assert (whole_requests(device), device.ranges) == (2, [b"bytes=%d-" % START] * 2)


@pytest.mark.parametrize("faults", [["range-short"], ["range-short", "range-star"], ["range-star"]])
@on_the_reactor
async def test_valid_parts_are_taken(event: RealEvent, faults: list[str]) -> None:
    device = device_with(event, *faults)
    await event.collect()
    assert event.contents() == [LOG.content]
    starts = range(START, LENGTH, 5000) if "range-short" in faults else [START]
    assert (whole_requests(device), device.ranges) == (1, [b"bytes=%d-" % start for start in starts])
    assert len(event.said("failed - ")) == 1


@on_the_reactor
async def test_a_part_that_is_cut_goes_on_where_it_was_cut(event: RealEvent) -> None:
    device = device_with(event)
    device.add_fault(parse_fault("cut@6000")[0], path=LOG.path)
    await event.collect()
    assert event.contents() == [LOG.content]
    assert whole_requests(device) == 1
    assert len(device.ranges) > 3


@on_the_reactor
async def test_parts_without_a_length_are_whole_only_if_they_end_where_their_headers_say(event: RealEvent) -> None:
    device = device_with(event, "length-missing", cuts=0)
    device.add_fault(parse_fault("cut@5972")[0], path=LOG.path)  # at the end of a frame
    await event.collect()
    assert event.contents() == [LOG.content]
    assert event.said("(connection lost after 5,972 bytes)")


@pytest.mark.parametrize(("fault", "nth", "begins_at"), [("range-star", 2, START), ("range-equals", 3, 0)])
@on_the_reactor
async def test_the_progress_begins_where_the_transfer_does(
    event: RealEvent, fault: str, nth: int, begins_at: int
) -> None:
    device = device_with(event, fault)
    shown: list[int] = []
    await event.begin()
    assert event.collector is not None

    def follow() -> None:
        assert event.collector is not None
        shown.append(event.known(601).received)
        event.collector.fleet.observe(lambda _, after: shown.append(after.received) if after.downloading else None)

    device.when_asked(LOG.path, follow, nth)
    await event.until("can be disconnected")
    assert list(dict.fromkeys(shown)) == list(dict.fromkeys([0, begins_at, LENGTH]))
