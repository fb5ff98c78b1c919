"""Slow devices on real sockets: they give way to others, and nothing of what they have sent is lost."""

from __future__ import annotations

import pytest

from sse_twisted.visits import pace
from tests.simulator.wire import on_the_reactor
from tests.support.event import MORNING, log_of
from tests.support.real_event import RealEvent, WatchedDevice

SLOW = (601, 602)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a transfer slow after half a second."""
    monkeypatch.setattr(pace, "SLOW", ((0.5, 100_000.0),))


def slow_ones(event: RealEvent, *, resume: bool) -> list[WatchedDevice]:
    """Two devices that need eight seconds for a track of 0.3 MB, and have all places."""
    event.change(downloads={"limit": 2})
    devices = []
    for identifier in SLOW:
        device = event.device(identifier, log_of(identifier, MORNING, 6000))
        device.bytes_per_second, device.supports_range = 40_000, resume
        devices.append(device)
    return devices


@pytest.mark.slow
@pytest.mark.parametrize("resume", [True, False], ids=["that resume", "that can not resume"])
@on_the_reactor
async def test_slow_devices_give_way_and_are_collected(event: RealEvent, resume: bool) -> None:
    devices = slow_ones(event, resume=resume)
    await event.begin()
    for device in devices:
        await event.until(f"WARN motion-{device.identifier} ABC")
    event.device(603, log_of(603, MORNING, 2000))
    await event.arrive(603)
    await event.until("motion-603 can be disconnected")
    assert not event.said("motion-601 can be disconnected")
    await event.becomes(lambda: any(device.ranges for device in devices), "resumed")
    for device in devices:
        device.bytes_per_second = 0
        await event.until(f"motion-{device.identifier} can be disconnected")
    assert not event.said(" failed - ")
    if resume:
        sent = sum(sum(device.sent[log.path] for log in device.logs) for device in devices)
        assert sent < 1.5 * sum(len(log.content) for device in devices for log in device.logs)
