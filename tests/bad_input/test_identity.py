"""Devices that are not who we think, that change places, or go while they are talked to."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from sse_twisted.devices.connections import Address
from sse_twisted.fleet import Stage
from sse_twisted.simulator.device import SimulatedLog
from sse_twisted.simulator.faults import Fault
from tests.simulator.wire import on_the_reactor
from tests.support.event import log_of, track
from tests.support.real_event import PORT, RealEvent

LOG = log_of(601)
OTHER = log_of(602)
LONG = log_of(601, fixes=8000)


async def swap(event: RealEvent, *, names: bool) -> None:
    """Let the devices 601 and 602 get each other's address; names follow, or are stale."""
    one, two = event.servers[601], event.servers[602]
    await event.leave()
    one.interface, two.interface = two.interface, one.interface
    if names:
        await event.arrive()
    else:
        await one.arrive()
        await two.arrive()


@on_the_reactor
async def test_a_device_with_the_wrong_number_is_not_collected_as_the_right_one(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("wrong-identifier", 777))
    await event.begin()
    line = await event.until("INFO motion-601 is not at ")
    assert line.endswith(": motion-777 answers there")
    assert event.known(601).stage is Stage.ABSENT
    assert not any(path.startswith("/logs") for path in device.asked)
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_a_device_that_becomes_another_one_is_dropped(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.when_asked("/logs.json", lambda: device.add_fault(Fault("wrong-identifier", 777)))
    await event.begin()
    await event.until("must stay connected - inspection failed: motion-777 answers at its address, retry 1 in ")
    await event.until("ERROR motion-601 left too early - Sailor 601: its tracks are not known yet")
    assert not event.tracks()
    assert not (event.folder.device_folder(601) / "logs.json").exists()
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize("names", [True, False], ids=["names follow", "names are stale"])
@on_the_reactor
async def test_two_collected_devices_that_swap_addresses_are_both_found_again(event: RealEvent, names: bool) -> None:
    event.device(601, LOG)
    event.device(602, OTHER)
    await event.collect()
    now = event.now
    await swap(event, names=names)
    for identifier in (601, 602):
        await event.until(f"DEBUG motion-{identifier} has been disconnected", since=now)
        await event.until(f"INFO motion-{identifier} can be disconnected", since=now)
    assert event.known(601).address == Address(event.servers[601].interface, PORT)
    assert not event.said("left too early")
    assert event.tracks() == {
        "gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao": LOG.content,
        "gpslogs/20221017/ABC602XYZ_602_20221017_090000.oao": OTHER.content,
    }


@pytest.mark.parametrize("names", [True, False], ids=["names follow", "names are stale"])
@pytest.mark.parametrize("nth", [1, 2], ids=["before the download", "after the download"])
@on_the_reactor
async def test_devices_that_swap_addresses_at_a_listing_get_no_verdict_for_the_other_one(
    event: RealEvent, nth: int, names: bool
) -> None:
    """Both have a log of the same path, and the other device has no log of today besides."""
    device = event.device(601, LOG)
    event.device(602, SimulatedLog(LOG.path, track(602), LOG.entry))
    swapping: list[Deferred[None]] = []
    device.when_asked("/logs.json", lambda: swapping.append(Deferred.fromCoroutine(swap(event, names=names))), nth)
    await event.begin()
    await event.becomes(lambda: swapping, "asked for the listing")
    await swapping[0]
    for identifier in (601, 602):
        await event.until(f"INFO motion-{identifier} can be disconnected")
    assert event.tracks() == {
        "gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao": LOG.content,
        "gpslogs/20221017/ABC602XYZ_602_20221017_090000.oao": track(602),
    }


@on_the_reactor
async def test_devices_that_swap_addresses_during_a_download_keep_their_tracks_apart(event: RealEvent) -> None:
    path = LONG.path
    device = event.device(601, LONG)
    event.device(602, SimulatedLog(path, track(602, fixes=8000), LONG.entry))
    device.supports_range = event.servers[602].device.supports_range = True
    device.add_fault(Fault("stall", 300_000), path=path, times=1)
    await event.begin()
    await event.becomes(lambda: device.sent[path] >= 300_000, "under way")
    await swap(event, names=False)
    for identifier in (601, 602):
        await event.until(f"INFO motion-{identifier} can be disconnected")
    assert event.contents() == sorted([LONG.content, track(602, fixes=8000)])


@on_the_reactor
async def test_a_wrong_device_at_a_download_leaves_no_track(event: RealEvent) -> None:
    """The one behind the address has a whole track of its own at the path that was asked for."""
    device = event.device(601, LOG)
    other = track(602)
    device.when_asked(LOG.path, lambda: device.logs.__setitem__(0, SimulatedLog(LOG.path, other, LOG.entry)))
    device.when_asked(LOG.path, lambda: device.logs.__setitem__(0, LOG), nth=3)
    await event.collect()
    assert len(event.said("(a track of motion-602)")) >= 2
    assert event.contents() == [LOG.content]


@pytest.mark.parametrize("resumes", [False, True])
@on_the_reactor
async def test_a_device_that_reboots_during_a_download_is_collected_when_it_is_back(
    event: RealEvent, resumes: bool
) -> None:
    device = event.device(601, LONG)
    device.supports_range = resumes
    device.add_fault(Fault("reboot", 300_000, seconds=0.3), path=LONG.path)
    await event.collect()
    assert event.said("(connection lost after 300,000 bytes)")
    assert event.contents() == [LONG.content]
    assert not event.partials()
    assert device.ranges


@on_the_reactor
async def test_a_device_that_stays_away_after_a_reboot_goes_on_where_it_was(event: RealEvent) -> None:
    device = event.device(601, LONG)
    device.supports_range = True
    device.add_fault(Fault("abort", 300_000), path=LONG.path, times=1)
    await event.begin()
    await event.until("(connection lost after 300,000 bytes)")
    await event.leave()
    await event.until("ERROR motion-601 left too early - Sailor 601: 1 of 1 track missing (ABC601XYZ_601_2022")
    (part,) = event.partials().values()
    assert LONG.content.startswith(part)
    await event.arrive()
    await event.until("motion-601 can be disconnected")
    assert event.contents() == [LONG.content]
    assert b"bytes=%d-" % (512 + (len(part) - 512) // 52 * 52 - 4096) in device.ranges


@on_the_reactor
async def test_a_device_that_nobody_carries_is_collected_under_its_own_name(event: RealEvent) -> None:
    event.device(601, LOG)
    event.device(602, OTHER, person=False, fixed=True)
    await event.collect()
    assert set(event.tracks()) == {
        "gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao",
        "gpslogs/unassigned/20221017/motion-602_20221017_090000.oao",
    }


@on_the_reactor
async def test_no_probe_arrives_during_a_transfer(event: RealEvent) -> None:
    event.change(cleanup={"interval": 0.02, "timeout": 0.4})
    device = event.device(601, LONG)
    device.bytes_per_second = 400_000.0
    sent: list[int] = []

    def note() -> None:
        sent.append(device.sent[LONG.path])

    device.when_asked(LONG.path, lambda: device.when_asked("/info.json", note))
    await event.collect()
    assert sent == [len(LONG.content)]
    assert not event.said("left too early"), "a probe that waited for its turn took the device for gone"
    probes = len(device.asked)
    await event.becomes(lambda: len(device.asked) >= probes + 3, "probed when it is left alone")
    assert set(device.asked[probes:]) == {"/info.json"}
