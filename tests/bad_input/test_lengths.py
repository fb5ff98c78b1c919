"""Content-Length that promises too much, too little, nothing, or two things."""

from __future__ import annotations

import pytest

from sse_twisted.event_folder.space import SLACK
from sse_twisted.simulator.device import SimulatedLog
from sse_twisted.simulator.faults import Fault
from tests.simulator.wire import on_the_reactor
from tests.support.event import log_of
from tests.support.real_event import RealEvent

LOG = log_of(601)
LENGTH = len(LOG.content)
EDGE = 512 + 52 * 200


@pytest.mark.parametrize(
    ("fault", "promised", "then"),
    [
        (Fault("length-long", 1), LENGTH + 1, f"connection lost after {LENGTH:,} bytes"),
        (Fault("length-long", 1000), LENGTH + 1000, f"connection lost after {LENGTH:,} bytes"),
        (Fault("length-short", 1), LENGTH - 1, f"cut inside a frame at byte {LENGTH - 52:,}"),
        (Fault("length-short", 52), LENGTH - 52, f"ends at byte {LENGTH - 52:,}, listed {LENGTH:,}"),
        (Fault("length-short", LENGTH), 0, "no bytes at all"),
    ],
    ids=str,
)
@on_the_reactor
async def test_a_length_that_is_not_the_listed_one_is_not_believed(
    event: RealEvent, fault: Fault, promised: int, then: str
) -> None:
    device = event.device(601, LOG)
    device.add_fault(fault, path=LOG.path)
    await event.begin()
    await event.until(f"1 of 1 track missing (announces {promised:,} bytes, listed {LENGTH:,}), retry 1 in ")
    await event.until(f"({then}), retry 3 in ")
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize("more", [2, 1024])
@on_the_reactor
async def test_a_length_that_a_device_may_well_announce_is_waited_for(event: RealEvent, more: int) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("length-long", more), path=LOG.path)
    await event.begin()
    await event.until(f"(connection lost after {LENGTH:,} bytes), retry 2 in ")
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_a_track_without_a_length_is_judged_by_the_listing(event: RealEvent) -> None:
    event.device(601, LOG).add_fault(Fault("length-missing"))
    await event.collect()
    assert event.contents() == [LOG.content]
    assert event.ledger(601)["ABC601XYZ_601_20221017_090000.oao"]["outcome"] == "verified"
    assert not event.said("ERROR")


@pytest.mark.parametrize(
    ("at", "what"),
    [
        (0, "no bytes at all"),
        (EDGE, f"ends at byte {EDGE:,}, listed {LENGTH:,}"),
        (EDGE + 9, f"cut inside a frame at byte {EDGE:,}"),
    ],
)
@on_the_reactor
async def test_a_cut_that_no_length_shows_is_found_all_the_same(event: RealEvent, at: int, what: str) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("length-missing"), path=LOG.path)
    device.add_fault(Fault("cut", at), path=LOG.path)
    await event.begin()
    await event.until(f"motion-601 must stay connected - 1 of 1 track missing ({what}, and no Content-Length), retry 3")
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_a_listing_without_a_length_that_is_cut_is_no_listing(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("length-missing"), path="logs.json")
    device.add_fault(Fault("cut", 100), path="logs.json")
    await event.begin()
    await event.until("must stay connected - inspection failed: logs.json is not valid JSON: ")
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_of_two_lengths_none_is_believed(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("length-twice"), path=LOG.path)
    await event.begin()
    await event.until("1 of 1 track missing (invalid HTTP response (")
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_a_body_without_end_is_cut_off(event: RealEvent) -> None:
    endless = SimulatedLog(LOG.path, LOG.content + bytes(40_000_000), LOG.entry)
    device = event.device(601, endless)
    device.add_fault(Fault("length-missing"), path=LOG.path)
    device.when_asked(LOG.path, lambda: device.logs.__setitem__(0, LOG), nth=2)
    await event.collect()
    assert (
        len(event.said(" failed - "))
        == len(event.said(f"(more than {LENGTH + SLACK:,} bytes, listed {LENGTH:,})")) - 1
        == 1
    )
    assert device.sent[LOG.path] < 20_000_000
    assert event.contents() == [LOG.content]
