"""The demo in this process, on the real reactor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogEvent, formatEvent

from sse_twisted.demo import Demo
from tests.simulator.wire import becomes, on_the_reactor


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor as installed

    return installed


@on_the_reactor
async def test_that_all_are_collected_is_said_after_the_last_one(reactor: Any, tmp_path: Path) -> None:
    demo = Demo(reactor, 1, str(tmp_path))
    (device,) = demo._simulated.devices.values()
    device.bytes_per_second = 0
    lines: list[str] = []

    def note(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    demo.collector.journal.observe(note)
    demo.startService()
    await demo._simulated.arrive(device.identifier)
    await becomes(reactor, lambda: any("all 1 devices are collected" in line for line in lines))
    (verdict,) = (number for number, line in enumerate(lines) if "can be disconnected" in line)
    assert lines[verdict + 1 :] == [
        f"Demo: all 1 devices are collected. Look into {tmp_path}, or wait for one to come back"
    ]
    await demo.stopService()
