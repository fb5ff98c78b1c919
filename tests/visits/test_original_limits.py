"""With the original's configuration as it is, a device that joins is noticed within its interval and a second."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sse_twisted.config.server_json import read_original_settings
from sse_twisted.config.settings import Settings
from tests.support.event import VirtualEvent, log_of

INTERVAL = 5.0
ABSENT = range(601, 701)
JOINS = 750
THREADING = {
    "DetectionThread": {"Timeout": 1},
    "DetectionThreadPool": {"Interval": INTERVAL, "Threads": 8},
    "InspectionThread": {"Timeout": 10},
    "InspectionThreadPool": {"Threads": 4},
    "DisconnectionThread": {"Timeout": 5},
    "DisconnectionThreadPool": {"Interval": 10, "Threads": 8},
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "config" / "server.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"Event": 2025, "Threading": THREADING}))
    return read_original_settings(file)


@pytest.mark.parametrize("joining", [JOINS, 600], ids=["the last in order", "the first in order"])
@pytest.mark.parametrize("phase", [0.4, 1.2, 2.5, 4.9])
@pytest.mark.parametrize("absent", ["unknown", "silent", "dead addresses", "silent at once"])
def test_a_device_that_joins_is_noticed_in_time(
    event: VirtualEvent, settings: Settings, absent: str, phase: float, joining: int
) -> None:
    event.settings = settings
    for number in ABSENT:
        event.person(number)
        if absent == "dead addresses":
            event.names.known[f"motion-{number}"] = f"10.9.{number // 256}.{number % 256}"
    event.reactor.dark |= set(event.names.known.values())
    if absent.startswith("silent"):
        event.names.silent |= {f"motion-{number}" for number in ABSENT}
    if absent == "silent at once":  # the server does not answer for the one that joins either, until it has joined
        event.names.silent.add(f"motion-{joining}")
    event.device(joining, log_of(joining))
    event.start()
    event.advance(2 * INTERVAL + phase)
    event.names.silent.discard(f"motion-{joining}")
    event.arrive(joining)
    assert event.until(f"motion-{joining} is connected", INTERVAL + 1.0)
