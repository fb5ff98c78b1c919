"""Connections that are refused, cut, slow or silent: the track is whole in the end, and nobody is let go before."""

from __future__ import annotations

import pytest

from sse_twisted.devices import body
from sse_twisted.fleet import Stage
from sse_twisted.runtime.text import plural
from sse_twisted.simulator.damage import sealed
from sse_twisted.simulator.device import SimulatedLog
from sse_twisted.simulator.faults import Fault
from tests.simulator.wire import on_the_reactor
from tests.support.event import MORNING, log_of
from tests.support.real_event import RealEvent, WatchedDevice

LOG = log_of(601)
LENGTH = len(LOG.content)
HEADER, FRAME = 512, 52
EDGE = HEADER + 52 * 200
SOUND_PREFIXES = {0: 0, 1: 0, HEADER: HEADER, EDGE: EDGE, EDGE + 17: EDGE, LENGTH - 1: LENGTH - FRAME}


async def fails_until_cleared(event: RealEvent, device: WatchedDevice, reason: str) -> None:
    """The device's track fails for that reason and its retry too; nothing seems whole; later it is collected."""
    await event.begin()
    await event.until(f"failed - 0.0 MiB, 0.0 hours, 1.6 km, 39.0 knots (500m) ({reason})", times=2)
    await event.until(f"motion-601 must stay connected - 1 of 1 track missing ({reason}), retry 2 in ")
    assert not event.tracks()
    assert event.ledger(601)["ABC601XYZ_601_20221017_090000.oao"]["status"] == "failed"
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_a_device_with_a_fixed_address_needs_no_name(event: RealEvent) -> None:
    event.device(601, LOG, fixed=True)
    await event.collect()
    assert event.contents() == [LOG.content]
    assert not event.names.queries


@pytest.mark.parametrize(
    ("fault", "said", "why"),
    [
        ("refused", "DEBUG motion-601 not accepting connections at ", "connection refused"),
        ("never-accepted", "DEBUG motion-601 not accepting connections at ", "connection timed out"),
        (
            "reset",
            "INFO motion-601 accepts connections but does not respond at ",
            "connection closed without a response",
        ),
    ],
)
@on_the_reactor
async def test_a_device_that_takes_no_connection_is_absent_until_it_does(
    event: RealEvent, fault: str, said: str, why: str
) -> None:
    event.device(601, LOG).add_fault(Fault(fault))
    await event.begin()
    line = await event.until(said)
    assert line.endswith(f"({why})")
    assert event.known(601).stage is Stage.ABSENT
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_a_device_that_closes_its_door_during_a_visit_has_left_too_early(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.when_asked(LOG.path, lambda: device.add_fault(Fault("refused")))
    await event.begin()
    await event.until(
        "ERROR motion-601 left too early - Sailor 601: 1 of 1 track missing (ABC601XYZ_601_20221017_090000.oao)"
    )
    assert not event.tracks()
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_a_device_that_stops_accepting_during_a_visit_has_left_too_early(event: RealEvent) -> None:
    """A probe needs a pause between two retries that is longer than its own time-out."""
    event.change(cleanup={"interval": 0.1, "timeout": 0.2}, inspection={"timeout": 0.2})
    event.change(downloads={"timeout": 0.2, "first_retry": 0.5, "last_retry": 0.5})
    device = event.device(601, LOG)
    device.when_asked(LOG.path, lambda: device.add_fault(Fault("never-accepted")))
    await event.begin()
    await event.until("ERROR motion-601 left too early - Sailor 601: 1 of 1 track missing")
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_a_device_that_has_gone_is_not_asked_for_each_of_its_tracks(event: RealEvent) -> None:
    """Ten of them, a time-out each, are minutes in which nobody says that it left too early."""
    event.change(inspection={"timeout": 0.2}, downloads={"timeout": 0.2})
    logs = [log_of(601, MORNING + hour * 3_600_000) for hour in range(6)]
    device = event.device(601, *logs)
    device.when_asked(logs[1].path, lambda: device.add_fault(Fault("never-accepted")))
    await event.begin()
    await event.until("motion-601 must stay connected - ")
    assert len(event.said(" failed - ")) <= 2
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_a_track_that_is_never_answered_does_not_hold_up_the_others(event: RealEvent) -> None:
    event.change(downloads={"timeout": 0.15})
    logs = [log_of(601, MORNING + hour * 3_600_000) for hour in range(3)]
    device = event.device(601, *logs)
    device.add_fault(Fault("no-headers"), path=logs[0].path)
    await event.begin()
    await event.until("must stay connected - 1 of 3 tracks missing (no response within 0.15 s)")
    assert event.contents() == sorted(log.content for log in logs[1:])
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("reset"), "connection closed without a response"),
        (Fault("no-headers"), "no response within 0.15 s"),
        (Fault("slow-headers", seconds=5.0), "no response within 0.15 s"),
        (Fault("stall", EDGE), "timed out after 0.15 s without a byte"),
        (Fault("stall", 0), "timed out after 0.15 s without a byte"),
        (Fault("abort", EDGE), f"connection lost after {EDGE:,} bytes"),
        (Fault("cut", EDGE), f"connection lost after {EDGE:,} bytes"),
    ],
    ids=str,
)
@on_the_reactor
async def test_a_track_that_fails_is_retried_until_it_is_whole(event: RealEvent, fault: Fault, reason: str) -> None:
    event.change(downloads={"timeout": 0.15})
    device = event.device(601, LOG)
    device.add_fault(fault, path=LOG.path)
    await fails_until_cleared(event, device, reason)


@pytest.mark.parametrize("at", SOUND_PREFIXES)
@on_the_reactor
async def test_of_a_body_that_is_cut_the_bytes_stay_hidden(event: RealEvent, at: int) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("cut", at), path=LOG.path)
    await event.begin()
    await event.until(f"(connection lost after {plural(at, 'byte')}), retry 1 in ")
    hidden = event.partials()
    assert set(hidden) <= {f".ABC601XYZ_601_20221017_090000.oao.{LENGTH + 1024}.part"}
    kept = b"".join(hidden.values())
    assert LOG.content.startswith(kept)
    assert len(kept) >= (SOUND_PREFIXES[at] if at > HEADER else 0)  # a header alone is not resumed
    assert not event.tracks()
    await event.check_that_it_is_collected_when_cleared()


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
async def test_a_device_that_resumes_with_other_bytes_is_asked_for_all_of_them(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.supports_range = True
    device.add_fault(Fault("cut", EDGE), path=LOG.path, times=1)
    frame = EDGE - FRAME
    other = LOG.content[:frame] + sealed(LOG.content[frame : frame + 50] + b"\1\1") + LOG.content[EDGE:]
    device.when_asked(LOG.path, lambda: device.logs.__setitem__(0, SimulatedLog(LOG.path, other, LOG.entry)), nth=2)
    await event.collect()
    assert "(the resumed transfer repeats different bytes)" in event.said("failed - ")[1]
    assert event.contents() == [other]
    assert device.ranges == [b"bytes=%d-" % (EDGE - 4096)]


@on_the_reactor
async def test_a_byte_now_and_then_is_too_slow(event: RealEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "RATE_WINDOW", 0.5)
    event.change(downloads={"minimum_rate": 1.0})
    device = event.device(601, LOG)
    device.add_fault(Fault("drip", seconds=0.2), path=LOG.path)
    await event.begin()
    line = await event.until("retry 1 in ")
    assert "1 of 1 track missing (too slow: " in line
    assert not event.tracks()
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_a_listing_in_drops_is_given_up(event: RealEvent) -> None:
    event.change(inspection={"timeout": 0.1})
    device = event.device(601, LOG)
    device.add_fault(Fault("drip", seconds=0.05), path="logs.json")
    await event.begin()
    await event.until("inspection failed: /logs.json: incomplete after 0.6 s, retry ")
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize("path", ["settings.json", "logs.json", "info.json"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("reset"), "connection closed without a response"),
        (Fault("no-headers"), "no response within 0.15 s"),
        (Fault("cut", 0), "connection lost after 0 bytes"),
        (Fault("cut", 40), "connection lost after 40 bytes"),
        (Fault("abort", 40), "connection lost after 40 bytes"),
        (Fault("stall", 40), "timed out after 0.15 s without a byte"),
    ],
    ids=str,
)
@on_the_reactor
async def test_an_answer_that_fails_is_asked_for_again(event: RealEvent, path: str, fault: Fault, reason: str) -> None:
    event.change(inspection={"timeout": 0.15})
    device = event.device(601, LOG)
    # The fault comes after the detection, so that info.json fails behind the first listing.
    device.when_asked("/settings.json", lambda: device.add_fault(fault, path=path))
    await event.begin()
    await event.until(f"motion-601 must stay connected - inspection failed: {reason}, retry 1 in 0.02 s")
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize("path", ["/settings.json", "/logs.json", LOG.path])
@on_the_reactor
async def test_the_end_of_the_collector_waits_for_no_answer(event: RealEvent, path: str) -> None:
    event.change(inspection={"timeout": 20.0}, downloads={"timeout": 20.0})
    device = event.device(601, LOG)
    device.when_asked(path, lambda: device.add_fault(Fault("no-headers"), path=path))
    await event.begin()
    await event.becomes(lambda: path in device.asked, f"asked for {path}")
    await event.stop()
    assert event.said("ERROR motion-601 is not collected - Sailor 601: ")
    assert not event.said("must stay connected")
