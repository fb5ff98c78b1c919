"""The demo in this process, on the real reactor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogEvent, formatEvent

from sse_twisted.daemon.demo import Demo
from tests.simulator.wire import becomes, on_the_reactor


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor as installed

    return installed


@on_the_reactor
async def test_the_end_of_the_demo_is_logged_after_the_last_device(reactor: Any, tmp_path: Path) -> None:
    demo = Demo(reactor, 1, str(tmp_path))
    (device,) = demo._simulated.devices.values()
    device.bytes_per_second = 0
    lines: list[str] = []

    def note(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    demo.collector.journal.observe(note)
    demo.startService()
    await demo._simulated.arrive(device.identifier)
    end = f"Demo: all devices collected (1 device); some return from time to time. See {tmp_path}; ^C ends the demo"
    await becomes(reactor, lambda: end in lines)
    verdict = lines.index(f"motion-{device.identifier} can be disconnected")
    assert verdict < lines.index(end)  # somewhere after it: what its tracks say is told in its own time
    await becomes(reactor, lambda: any((tmp_path / "gpsdata").glob("*/GPSDATA_*_H1.csv")))
    await demo.stopService()
