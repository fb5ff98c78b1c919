from __future__ import annotations

import pytest

from tests.console.terminal import VirtualConsole
from tests.support.event import MORNING, VirtualEvent, log_of


@pytest.fixture
def console(event: VirtualEvent) -> VirtualConsole:
    """The console of a collector that has collected 601, and waits for 602."""
    event.device(601, log_of(601), log_of(601, MORNING - 30 * 24 * 3_600_000))
    event.person(602)
    event.arrive(601)
    collector = event.start()
    event.until("motion-601 can be disconnected")
    return VirtualConsole(collector.commands)
