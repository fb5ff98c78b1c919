"""Connections that are refused, cut, slow or silent: the track is whole in the end, and nobody is let go before."""

from __future__ import annotations

import pytest

from sse_twisted.fleet import Stage
from sse_twisted.motion import body
from sse_twisted.simulator.faults import Fault
from tests.event import log_of, track
from tests.real_event import RealEvent, WatchedDevice
from tests.simulator.wire import on_the_reactor

LOG = log_of(601)
LENGTH = len(LOG.content)
HEADER, FRAME = 512, 52
EDGE = HEADER + 52 * 200
SOUND_PREFIXES = {0: 0, 1: 0, HEADER: HEADER, EDGE: EDGE, EDGE + 17: EDGE, LENGTH - 1: LENGTH - FRAME}


async def fails_until_cleared(event: RealEvent, device: WatchedDevice, reason: str) -> None:
    """The device's track fails for that reason and its retry too; nothing seems whole; later it is collected."""
    await event.start()
    await event.arrive()
    await event.until(f"failed - 0.0 MiB, 0.0 hours, 1.6 km, 39.0 knots (500m) ({reason})", times=2)
    await event.until(f"motion-601 must stay connected - 1 of 1 tracks missing ({reason}), retry 2 in ")
    assert not event.tracks()
    assert event.ledger(601)["ABC601XYZ_601_20221017_090000.oao"]["status"] == "failed"
    await is_collected_when_cleared(event, device)


async def is_collected_when_cleared(event: RealEvent, device: WatchedDevice) -> None:
    """Nothing was said that is not so; without the fault, the right bytes are at their final name."""
    assert not event.said("can be disconnected")
    device.clear_faults()
    await event.until("motion-601 can be disconnected")
    assert event.tracks() == {"gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao": LOG.content}
    assert not event.partials()


@on_the_reactor
async def test_a_device_with_a_fixed_address_needs_no_name(event: RealEvent) -> None:
    event.device(601, LOG, fixed=True)
    await event.collect()
    assert event.contents() == [LOG.content]
    assert not event.names.queries


@on_the_reactor
async def test_a_device_that_refuses_connections_is_collected_as_soon_as_it_takes_them(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("refused"))
    await event.start()
    await event.arrive()
    await event.until("DEBUG motion-601 not accepting connections at ")
    assert "(connection refused)" in event.said("not accepting")[0]
    assert event.known(601).stage is Stage.ABSENT
    await is_collected_when_cleared(event, device)


@on_the_reactor
async def test_a_device_that_never_accepts_a_connection_counts_as_absent(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("never-accepted"))
    await event.start()
    await event.arrive()
    await event.until("DEBUG motion-601 not accepting connections at ")
    assert "(does not accept the connection)" in event.said("not accepting")[0]
    await is_collected_when_cleared(event, device)


@on_the_reactor
async def test_a_device_that_resets_connections_is_collected_as_soon_as_it_does_not(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("reset"))
    await event.start()
    await event.arrive()
    await event.until("DEBUG motion-601 not accepting connections at ")
    assert "(connection closed before an answer)" in event.said("not accepting")[0]
    await is_collected_when_cleared(event, device)


@on_the_reactor
async def test_a_device_that_closes_its_door_during_a_visit_has_left_too_early(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.moments[LOG.path] = lambda: device.add_fault(Fault("refused"))
    await event.start()
    await event.arrive()
    await event.until(
        "ERROR motion-601 left too early - Sailor 601: 1 of 1 tracks missing (ABC601XYZ_601_20221017_090000.oao)"
    )
    assert not event.tracks()
    await is_collected_when_cleared(event, device)


@on_the_reactor
async def test_a_device_that_stops_accepting_during_a_visit_has_left_too_early(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.moments[LOG.path] = lambda: device.add_fault(Fault("never-accepted"))
    await event.start()
    await event.arrive()
    await event.until("ERROR motion-601 left too early - Sailor 601: 1 of 1 tracks missing")
    await is_collected_when_cleared(event, device)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("reset"), "connection closed before an answer"),
        (Fault("no-headers"), "no answer within 0.3 s"),
        (Fault("slow-headers", seconds=5.0), "no answer within 0.3 s"),
        (Fault("stall", EDGE), "timed out after 0.3 s without a byte"),
        (Fault("stall", 0), "timed out after 0.3 s without a byte"),
        (Fault("abort", EDGE), f"connection lost after {EDGE:,} bytes"),
        (Fault("cut", EDGE), f"connection lost after {EDGE:,} bytes"),
    ],
    ids=str,
)
@on_the_reactor
async def test_a_track_that_fails_is_retried_until_it_is_whole(event: RealEvent, fault: Fault, reason: str) -> None:
    event.change(downloads={"timeout": 0.3})
    device = event.device(601, LOG)
    device.add_fault(fault, path=LOG.path)
    await fails_until_cleared(event, device, reason)


@pytest.mark.parametrize("at", SOUND_PREFIXES)
@on_the_reactor
async def test_of_a_body_that_is_cut_the_bytes_stay_hidden(event: RealEvent, at: int) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("cut", at), path=LOG.path)
    await event.start()
    await event.arrive()
    await event.until(f"(connection lost after {at:,} bytes), retry 1 in ")
    (hidden,) = event.partials().items()
    assert hidden[0] == f".ABC601XYZ_601_20221017_090000.oao.{LENGTH + 1024}.part"
    assert LOG.content.startswith(hidden[1])
    assert len(hidden[1]) >= SOUND_PREFIXES[at]
    await is_collected_when_cleared(event, device)


@pytest.mark.parametrize("at", [EDGE, EDGE + 17, LENGTH - 1])
@on_the_reactor
async def test_a_cut_track_goes_on_where_its_sound_frames_end(event: RealEvent, at: int) -> None:
    device = event.device(601, LOG)
    device.supports_range = True
    device.add_fault(Fault("cut", at), path=LOG.path, times=1)
    await event.collect()
    assert event.contents() == [LOG.content]
    assert device.ranges == [b"bytes=%d-" % (SOUND_PREFIXES[at] - 4096)]
    assert len(event.said("failed - ")) == 1


@on_the_reactor
async def test_a_cut_track_begins_anew_on_a_device_that_ignores_ranges(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("cut", EDGE), path=LOG.path, times=1)
    await event.collect()
    assert event.contents() == [LOG.content]
    assert device.ranges == [b"bytes=%d-" % (EDGE - 4096)]


@on_the_reactor
async def test_of_a_device_that_resumes_with_other_bytes_the_track_begins_anew(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.supports_range = True
    device.add_fault(Fault("cut", EDGE), path=LOG.path, times=1)
    await event.start()
    (before,) = device.logs
    before_it = track(601, fixes=401)[:-52]  # another header, and the same frames
    device.moments[LOG.path] = lambda: device.moments.update({LOG.path: lambda: None})
    await event.arrive()
    await event.until("can be disconnected")
    assert before_it != before.content
    assert event.contents() == [LOG.content]


@on_the_reactor
async def test_a_byte_now_and_then_is_too_slow(event: RealEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "RATE_WINDOW", 0.5)
    event.change(downloads={"minimum_rate": 1.0})
    device = event.device(601, LOG)
    device.add_fault(Fault("drip", seconds=0.2), path=LOG.path)
    await event.start()
    await event.arrive()
    line = await event.until("retry 1 in ")
    assert "1 of 1 tracks missing (too slow: " in line
    assert not event.tracks()
    await is_collected_when_cleared(event, device)


@on_the_reactor
async def test_a_listing_in_drops_is_given_up(event: RealEvent) -> None:
    event.change(inspection={"timeout": 0.1})
    device = event.device(601, LOG)
    device.add_fault(Fault("drip", seconds=0.05), path="logs.json")
    await event.start()
    await event.arrive()
    await event.until("it can't be inspected: /logs.json: not complete after 0.6 s, retry 1 in 0.1 s")
    await is_collected_when_cleared(event, device)


@pytest.mark.parametrize("path", ["settings.json", "logs.json", "info.json"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("reset"), "connection closed before an answer"),
        (Fault("no-headers"), "no answer within 0.2 s"),
        (Fault("cut", 0), "connection lost after 0 bytes"),
        (Fault("cut", 40), "connection lost after 40 bytes"),
        (Fault("abort", 40), "connection lost after 40 bytes"),
        (Fault("stall", 40), "timed out after 0.2 s without a byte"),
    ],
    ids=str,
)
@on_the_reactor
async def test_an_answer_that_fails_is_asked_for_again(
    event: RealEvent, path: str, fault: Fault, reason: str
) -> None:
    event.change(inspection={"timeout": 0.2})
    device = event.device(601, LOG)
    # The fault comes after the detection, so that info.json fails behind the first listing.
    device.moments["/settings.json"] = lambda: device.add_fault(fault, path=path)
    await event.start()
    await event.arrive()
    await event.until(f"motion-601 must stay connected - it can't be inspected: {reason}, retry 1 in 0.1 s")
    await is_collected_when_cleared(event, device)
