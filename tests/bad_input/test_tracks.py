"""Tracks that are damaged, cut, unfinished, or somebody else's."""

from __future__ import annotations

import pytest

from sse_twisted.fleet import Stage
from sse_twisted.simulator.damage import damage_track
from sse_twisted.simulator.device import SimulatedLog
from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.listings import KEPT_ON_DEVICE
from sse_twisted.simulator.responses import Body
from tests.simulator.wire import on_the_reactor
from tests.support.event import MORNING, log_of, track
from tests.support.real_event import RealEvent, WatchedDevice
from tests.tracks.written import points, ubx

LOG = log_of(601)
NAME = "ABC601XYZ_601_20221017_090000.oao"
LENGTH = len(LOG.content)
MIDDLE = 512 + 52 * 199


def damaged(fault: Fault) -> bytes:
    """The track with the fault in it."""
    content = damage_track(LOG.content, fault)
    assert content is not None
    return content


@on_the_reactor
async def test_a_bit_that_flips_on_the_way_is_sent_again(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("flipped-bit", MIDDLE + 17), path=LOG.path)
    await event.collect()
    assert event.said(f"must stay connected - 1 of 1 track missing (damaged frame at byte {MIDDLE:,}), retry 1 in ")
    assert event.contents() == [LOG.content]
    assert event.ledger(601)[NAME]["outcome"] == "verified"
    assert not event.partials()


@pytest.mark.parametrize("resumes", [False, True])
@on_the_reactor
async def test_a_bit_that_is_wrong_on_the_device_is_kept_and_named(event: RealEvent, resumes: bool) -> None:
    fault = Fault("flipped-bit-always", MIDDLE + 17)
    device = event.device(601, LOG)
    device.supports_range = resumes
    device.add_fault(fault, path=LOG.path)
    event.truth[LOG.path] = damaged(fault)
    await event.collect()
    damage = f"damaged frame at byte {MIDDLE:,}"
    assert event.contents() == [damaged(fault)]
    entry = event.ledger(601)[NAME]
    assert (entry["status"], entry["outcome"], entry["damage"]) == ("completed", "damaged", damage)
    assert event.said(f"INFO motion-601 can be disconnected - {NAME} is damaged: {damage}")
    assert f"{NAME} is damaged: {damage}" in event.known(601).findings


@on_the_reactor
async def test_a_damaged_header_is_kept_if_it_comes_twice(event: RealEvent) -> None:
    fault = Fault("flipped-bit-always", 300)
    device = event.device(601, LOG)
    device.add_fault(fault, path=LOG.path)
    event.truth[LOG.path] = damaged(fault)
    await event.collect()
    assert event.contents() == [damaged(fault)]
    assert event.said(f"can be disconnected - {NAME} is damaged: ")
    assert " at byte 0" in event.ledger(601)[NAME]["damage"]


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (Fault("frame-cut", MIDDLE), f"ends at byte {MIDDLE:,}, listed {LENGTH:,}"),
        (Fault("frame-cut", 512), f"ends at byte 512, listed {LENGTH:,}"),
        (Fault("empty-body"), "no bytes at all"),
        (Fault("foreign"), "a track of motion-602"),
    ],
    ids=str,
)
@on_the_reactor
async def test_what_is_not_the_whole_track_is_never_kept(event: RealEvent, fault: Fault, what: str) -> None:
    device = event.device(601, LOG)
    device.add_fault(fault, path=LOG.path)
    await event.begin()
    await event.until(f"WARN motion-601 must stay connected - 1 of 1 track missing ({what}), retry 4 in ")
    assert not event.tracks()
    assert event.ledger(601)[NAME]["status"] == "failed"
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize("name", ["frame-cut", "empty-body", "foreign", "flipped-bit", "html"])
@on_the_reactor
async def test_a_wrong_track_is_no_start_for_the_right_one(event: RealEvent, name: str) -> None:
    device = event.device(601, LOG)
    device.supports_range = True
    if name == "html":
        device.pages[LOG.path] = Body(b"<html>" + bytes(LENGTH - 6))
        device.when_asked(LOG.path, device.pages.clear, nth=2)
    else:
        device.add_fault(Fault(name), path=LOG.path, times=1)
    await event.collect()
    assert event.contents() == [LOG.content]
    assert event.ledger(601)[NAME]["outcome"] == "verified"
    assert not event.partials()


@on_the_reactor
async def test_the_stray_end_of_a_json_is_kept_behind_the_track(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("trailer"), path=LOG.path)
    event.truth[LOG.path] = LOG.content + b"]}"
    await event.collect()
    assert event.contents() == [LOG.content + b"]}"]
    assert event.ledger(601)[NAME]["outcome"] == "verified"
    assert not event.said("ERROR")
    assert device.asked.count(LOG.path) == 1


@on_the_reactor
async def test_what_a_device_may_keep_behind_a_log_is_kept_and_named(event: RealEvent) -> None:
    """The listed size is 1,024 bytes more than was ever sent; a firmware that sends them is taken at its word."""
    content = LOG.content + bytes(KEPT_ON_DEVICE)
    event.device(601, SimulatedLog(LOG.path, content, LOG.entry))
    await event.collect()
    assert event.contents() == [content]
    remark = f"{NAME} is unverified: 1,024 unknown bytes at byte {LENGTH:,}"
    assert event.said(f"INFO motion-601 can be disconnected - {remark}")


@on_the_reactor
async def test_a_log_that_was_never_finalised_is_kept_and_named(event: RealEvent) -> None:
    fault = Fault("not-finalised")
    device = event.device(601, LOG)
    device.add_fault(fault, path=LOG.path)
    event.truth[LOG.path] = damaged(fault)
    await event.collect()
    assert event.contents() == [damaged(fault)]
    remark = event.ledger(601)[NAME]["damage"]
    assert event.said(f"INFO motion-601 can be disconnected - {NAME} is damaged: {remark}")


@on_the_reactor
async def test_a_log_without_a_frame_is_skipped_or_collected_as_the_filter_says(event: RealEvent) -> None:
    event.change(filters={"best_500m": 0.0})
    device = event.device(601, LOG)
    fault = Fault("empty-log")
    device.add_fault(fault, path=LOG.path)
    event.truth[LOG.path] = damaged(fault)
    await event.collect()
    assert [len(content) for content in event.contents()] == [512]
    assert event.ledger(601)[NAME]["outcome"] == "verified"
    await event.stop()
    event.change(filters={"best_500m": 1.0})
    now = event.now
    await event.start()
    await event.until("motion-601 can be disconnected", since=now)
    assert [len(content) for content in event.contents()] == [512]


@on_the_reactor
async def test_a_slow_log_is_skipped(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("empty-log"), path=LOG.path)
    await event.collect()
    assert not event.tracks()
    assert event.ledger(601)[NAME]["status"] == "skipped"
    assert event.said(f"DEBUG motion-601 {NAME} skipped - 0.0 MiB, 0.0 hours, 0.0 km, 0.0 knots (500m)")
    assert LOG.path not in device.asked


@on_the_reactor
async def test_frames_of_an_unknown_kind_are_kept_and_named(event: RealEvent) -> None:
    fault = Fault("unknown-frame")
    device = event.device(601, LOG)
    device.add_fault(fault, path=LOG.path)
    event.truth[LOG.path] = damaged(fault)
    await event.collect()
    assert event.contents() == [damaged(fault)]
    assert event.said(f"INFO motion-601 can be disconnected - {NAME} is unverified: 1 record of an unknown kind")
    assert device.asked.count(LOG.path) == 1


@on_the_reactor
async def test_a_track_that_grows_between_listing_and_transfer_is_fetched_as_it_is_then(event: RealEvent) -> None:
    device = event.device(601, log_of(601))
    device.add_fault(Fault("grown", 20), path=LOG.path)
    await event.collect()
    (grown,) = device.logs
    assert len(grown.content) == LENGTH + 20 * 52
    assert event.contents() == [grown.content]
    assert event.ledger(601)[NAME]["size"] == len(grown.content) + KEPT_ON_DEVICE
    assert not event.partials()


@on_the_reactor
async def test_a_track_that_has_grown_since_it_was_fetched_is_fetched_again(event: RealEvent) -> None:
    device = event.device(601, log_of(601))
    await event.collect()
    await event.leave()
    await event.until("motion-601 has been disconnected")
    device.logs[0].grow(30)
    now = event.now
    await event.arrive()
    await event.until("motion-601 can be disconnected", since=now)
    assert event.tracks() == {
        f"gpslogs/20221017/{NAME}": device.logs[0].content,
        f"gpslogs/superseded/20221017/{NAME}.1": LOG.content,
    }
    assert event.said(f"motion-601 {NAME} replaces an earlier version, which is kept in gpslogs/superseded", now)


@on_the_reactor
async def test_one_bad_track_does_not_hold_up_the_others(event: RealEvent) -> None:
    others = [log_of(601, MORNING + hour * 3_600_000, 300 + hour) for hour in (1, 2)]
    device = event.device(601, LOG, *others)
    device.add_fault(Fault("frame-cut"), path=LOG.path)
    await event.begin()
    line = await event.until("motion-601 must stay connected - 1 of 3 tracks missing (ends at byte ")
    assert event.contents() == sorted((log.content for log in others), key=len)
    assert event.known(601).stage in (Stage.ATTENTION, Stage.INSPECTING, Stage.DOWNLOADING)
    assert event.known(601).missing == (NAME,), line
    await event.check_that_it_is_collected_when_cleared()
    assert [device.asked.count(log.path) for log in others] == [1, 1]


@on_the_reactor
async def test_a_file_of_another_format_is_kept_under_its_own_extension(event: RealEvent) -> None:
    content = ubx(points(50))
    entry = LOG.entry | {"file": "/logs/a.ubx", "size": len(content) + KEPT_ON_DEVICE}
    event.device(601, SimulatedLog("/logs/a.ubx", content, entry))
    await event.collect()
    assert event.tracks() == {"gpslogs/20221017/ABC601XYZ_601_20221017_090000.ubx": content}
    assert event.said("INFO motion-601 can be disconnected - ABC601XYZ_601_20221017_090000.ubx is unverified: ")


@on_the_reactor
async def test_of_two_tracks_with_the_same_header_each_is_itself(event: RealEvent) -> None:
    """One log copied over another on the device: the second one's figures do not match its entry."""
    other = log_of(601, MORNING + 3_600_000)
    device = event.device(601, LOG, SimulatedLog(other.path, track(601), other.entry))
    await event.begin()
    await event.until(f"1 of 2 tracks missing (began at {MORNING} ms, listed {MORNING + 3_600_000} ms)")
    assert event.contents() == [LOG.content]
    device.logs[1] = other
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_a_track_of_many_blocks_is_whole_whatever_its_speed(event: RealEvent) -> None:
    long = log_of(601, fixes=20_000)
    device = WatchedDevice(601, [long], bytes_per_second=4_000_000.0)
    event.person(601)
    event.serve(device)
    await event.collect()
    assert event.contents() == [long.content]
