"""An afternoon of four devices."""

from __future__ import annotations

import pytest

from sse_twisted.simulator.faults import Fault
from tests.history.afternoon import AFTERNOON, TRACKS, waive
from tests.support.event import VirtualEvent, log_of


@pytest.fixture
def afternoon(event: VirtualEvent) -> VirtualEvent:
    """601 was collected, 602 has gone with its track, 603 was never here, 604 has gone with its track and is waived."""
    event.utc = AFTERNOON
    for identifier in TRACKS:
        event.device(identifier, log_of(identifier))
    for identifier in (602, 604):
        event.servers[identifier].device.add_fault(Fault("cut", at=1000), path="/logs/")
    event.start()
    event.arrive(601, 602, 604)
    event.until("motion-601 can be disconnected")
    event.until("motion-602 must stay connected")
    event.until("motion-604 must stay connected")
    event.leave(601, 602, 604)
    event.until("motion-601 has been disconnected")
    event.until("motion-602 left too early")
    event.until("motion-604 left too early")
    waive(event, 604)
    return event
