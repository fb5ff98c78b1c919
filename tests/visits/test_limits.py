"""How many devices may be in each step at once; that of the detection is in `test_scanner`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sse_twisted.config.settings import Cleanup, Downloads, Inspection, Settings
from tests.support.event import VirtualEvent, log_of

DEVICES = range(601, 607)


@pytest.fixture
def crowd(event: VirtualEvent) -> VirtualEvent:
    """Six devices that take their time, each with a track."""
    for identifier in DEVICES:
        event.device(identifier, log_of(identifier)).latency = 0.3
    event.arrive(*DEVICES)
    return event


def most_at_once(event: VirtualEvent, seconds: float, in_step: Callable[[int], bool]) -> int:
    """How many devices were in a step at the same time."""
    most = 0
    for _ in range(round(seconds / 0.05)):
        event.advance(0.05)
        most = max(most, sum(map(in_step, DEVICES)))
    return most


def is_talked_to(event: VirtualEvent) -> Callable[[int], bool]:
    return lambda identifier: event.servers[identifier].device.open_connections > 0


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_are_inspected(crowd: VirtualEvent, limit: int) -> None:
    crowd.settings = Settings(inspection=Inspection(limit=limit), cleanup=Cleanup(interval=60.0))
    crowd.start()
    for identifier in DEVICES:
        crowd.until(f"motion-{identifier} is connected", 3)
    for server in crowd.servers.values():
        server.device.logs.clear()
    assert most_at_once(crowd, 20, is_talked_to(crowd)) == limit
    assert len(crowd.said("can be disconnected")) == len(DEVICES)


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_are_downloaded_from(crowd: VirtualEvent, limit: int) -> None:
    crowd.settings = Settings(downloads=Downloads(limit=limit))
    crowd.start()
    assert most_at_once(crowd, 20, lambda identifier: bool(crowd.known(identifier).downloading)) == limit
    assert len(crowd.said("can be disconnected")) == len(DEVICES)


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_are_probed(crowd: VirtualEvent, limit: int) -> None:
    crowd.settings = Settings(cleanup=Cleanup(limit=limit))
    crowd.start()
    for identifier in DEVICES:
        crowd.until(f"motion-{identifier} can be disconnected")
    crowd.advance(1)
    for server in crowd.servers.values():
        server.device.requests.clear()
    assert most_at_once(crowd, 15, is_talked_to(crowd)) == limit
    assert all(server.device.requests for server in crowd.servers.values())
