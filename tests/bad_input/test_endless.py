"""Devices that send or list more than the disk can hold; an honest one beside them is collected all the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from sse_twisted.event_folder.space import SLACK
from sse_twisted.runtime import disk
from sse_twisted.simulator.device import SimulatedLog
from sse_twisted.simulator.faults import Fault
from tests.simulator.wire import on_the_reactor
from tests.support.event import MORNING, log_of
from tests.support.real_event import RealEvent, WatchedDevice

LOG = log_of(601)
LENGTH = len(LOG.content)
BOUND = LENGTH + SLACK
ENDLESS = LOG.content + bytes(40_000_000)
HONEST = log_of(602, MORNING, 15_000)  # 0.8 MB
PART = f".ABC601XYZ_601_20221017_090000.oao.{LENGTH + 1024}.part"
Remount = Callable[[str], None]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look soon whether the disk can be written to again."""
    monkeypatch.setattr(disk, "CHECK_INTERVAL", 0.1)


@pytest.fixture
def small(small_disk: Remount, event: RealEvent) -> RealEvent:
    """An event whose tracks are on a disk of 3 MB, of which nothing is kept free."""
    event.change(downloads={"disk_reserve": 0})
    return event


def liar(event: RealEvent, content: bytes = ENDLESS) -> WatchedDevice:
    """A device that lists a track of 20 KB and sends another content for it."""
    return event.device(601, SimulatedLog(LOG.path, content, LOG.entry))


def chunked(content: bytes) -> bytes:
    """A whole response, with a body whose length no header announces."""
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(content), content)


def sizes(event: RealEvent) -> list[int]:
    return [len(content) for content in event.partials().values()]


@pytest.mark.parametrize("coding", ["until the connection ends", "chunked"])
@on_the_reactor
async def test_an_endless_track_fills_no_disk(small: RealEvent, coding: str) -> None:
    device = liar(small)
    if coding == "chunked":
        device.raw[LOG.path] = chunked(ENDLESS)
    else:
        device.add_fault(Fault("length-missing"), path=LOG.path)
    small.device(602, HONEST)
    await small.begin()
    await small.until("motion-602 can be disconnected")
    await small.until(f" track missing (more than {BOUND:,} bytes, listed {LENGTH:,})", times=3)
    assert not small.said("Downloads pause")
    assert not small.partials()


@on_the_reactor
async def test_several_endless_tracks_at_once_fill_no_disk(small: RealEvent) -> None:
    for identifier in range(611, 623):
        log = log_of(identifier)
        device = small.device(identifier, SimulatedLog(log.path, log.content + bytes(40_000_000), log.entry))
        device.add_fault(Fault("length-missing"), path=log.path)
    small.device(602, HONEST)
    await small.begin()
    await small.until("motion-602 can be disconnected")
    for identifier in range(611, 623):
        await small.until(f"motion-{identifier} must stay connected - 1 of 1 track missing (more than ")
    assert not small.said("Downloads pause")


@on_the_reactor
async def test_a_length_for_which_there_is_no_room_is_its_own_devices_problem(small: RealEvent) -> None:
    """It is announced twice, and so believed; before, it was written until the disk was full."""
    liar(small)
    small.device(602, HONEST)
    await small.begin()
    await small.until("motion-602 can be disconnected")
    assert "no room for 40.0 MB: " in await small.until(
        "motion-601 must stay connected - 1 of 1 track missing (no room"
    )
    assert not small.said("Downloads pause")
    assert not small.partials()


@on_the_reactor
async def test_what_is_longer_than_listed_makes_room_when_the_disk_is_full(small: RealEvent) -> None:
    """Its length was announced twice, and there was room; the disk fills up otherwise. An honest part stays."""
    honest = small.device(602, HONEST)
    honest.supports_range = True
    honest.add_fault(Fault("cut", 500_000), path=HONEST.path)
    device = liar(small, LOG.content + bytes(1_600_000))
    filler = small.root / "gpslogs/.filler"
    device.bytes_per_second = 1_000_000
    await small.begin()
    await small.becomes(lambda: len(small.partials().get(PART, b"")) > 400_000, "written")
    with suppress(OSError):  # the collector may have written meanwhile: the disk is full in any case
        filler.write_bytes(bytes(small.folder.free()))
    await small.until("CRITICAL Downloads pause: only 0 MB free")
    await small.becomes(lambda: PART not in small.partials(), "discarded")
    filler.unlink()
    honest.clear_faults()
    await small.until("motion-602 can be disconnected")
    assert small.contents()[0] == HONEST.content


@on_the_reactor
async def test_a_disk_that_an_endless_track_has_filled_is_freed_at_a_start(small: RealEvent) -> None:
    part = small.root / "gpslogs/20221017" / PART
    part.parent.mkdir()
    part.write_bytes(ENDLESS[: small.folder.free() - 4096])
    small.device(601, LOG)
    await small.collect()
    assert small.said(f"WARN Removed {PART}: it is longer than its device lists the track")
    assert small.contents() == [LOG.content]
    assert not small.partials()


@on_the_reactor
async def test_garbage_of_the_listed_length_is_not_kept(event: RealEvent) -> None:
    """Nothing of it can be resumed: a device could fill the disk with the beginnings of many tracks."""
    log = log_of(601, MORNING, 15_000)
    device = event.device(601, SimulatedLog(log.path, b"x" * len(log.content), log.entry))
    device.add_fault(Fault("cut", 700_000), path=log.path)
    await event.begin()
    await event.until("motion-601 must stay connected - 1 of 1 track missing (connection lost after 700,000 bytes)")
    assert not event.partials()


@on_the_reactor
async def test_a_track_that_is_listed_with_ever_new_sizes_leaves_one_partial_file(event: RealEvent) -> None:
    log = log_of(601, MORNING, 15_000)
    device = event.device(601, log)
    device.add_fault(Fault("cut", 600_000), path=log.path)
    for nth in range(2, 12, 2):  # each listing that follows a download
        device.when_asked("/logs.json", lambda: device.logs[0].grow(10), nth=nth)
    await event.begin()
    await event.until(" failed - ", times=6)
    assert len(event.partials()) <= 1
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_two_tracks_that_fit_one_by_one_are_not_begun_together(small: RealEvent) -> None:
    logs = [log_of(identifier, MORNING, 35_000) for identifier in (601, 602)]  # 1.8 MB each
    for log, identifier in zip(logs, (601, 602), strict=True):
        small.device(identifier, log).bytes_per_second = 4_000_000
    await small.begin()
    await small.until("can be disconnected")
    await small.until("must stay connected - ")
    assert len(small.contents()) == 1
    assert not small.partials()


@on_the_reactor
async def test_of_a_device_that_lists_more_than_fits_as_many_tracks_are_collected_as_do(small: RealEvent) -> None:
    small.device(601, *(log_of(601, MORNING + hour * 3_600_000, 12_000) for hour in range(8)))  # 5 MB
    await small.begin()
    await small.until("motion-601 lists tracks of 5 MB, and there is room for 3 MB: make room")
    await small.until("motion-601 must stay connected - ")
    assert len(small.contents()) >= 3


@on_the_reactor
async def test_a_listing_in_chunks_of_one_byte_is_given_up(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.raw["/logs.json"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 500_000
    await event.begin()
    await event.until("inspection failed: pieces too small: 50,001 bytes in 50,001 pieces, retry 1 in ")
    del device.raw["/logs.json"]
    await event.until("motion-601 can be disconnected")
