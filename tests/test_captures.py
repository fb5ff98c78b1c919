"""The devices of a real event, collected as the original server collected them in 2022."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]  # it has no annotations

from sse_twisted.event_folder.partial import examine
from sse_twisted.simulator.captures import captured_devices
from sse_twisted.simulator.device import SimulatedDevice
from tests.simulator.wire import on_the_reactor
from tests.support.real_event import RealEvent, WatchedDevice

KEYS: tuple[str, ...] = ("motion_file", "local_file", "size", "start_date", "end_date", "duration", "distance")
KEYS += ("2s_best", "10s_best", "500m_best", "status")
Ledgers = dict[int, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def devices(captures: Path) -> list[SimulatedDevice]:
    """The devices, whose tracks are read or made once for all tests."""
    return captured_devices(captures / "event-2022", captures / "tracks")


@pytest_twisted.async_yield_fixture  # type: ignore[untyped-decorator]  # it has no annotations
async def event(captures: Path, devices: list[SimulatedDevice], tmp_path: Path) -> AsyncIterator[RealEvent]:
    """The devices of 2022, and a fresh event folder with their roster."""
    from twisted.internet import reactor

    real = RealEvent(reactor, tmp_path / "event")
    shutil.copytree(captures / "event-2022/config", real.root / "config")
    wanted = {entry["motion_file"] for ledger in original_ledgers(captures).values() for entry in ledger.values()}
    for device in devices:
        real.serve(WatchedDevice(device.identifier, device.logs, info=device.info, settings=device.settings))
        real.truth.update((log.path, None) for log in device.logs if log.path not in wanted)
    yield real
    await real.close()


def original_ledgers(captures: Path) -> Ledgers:
    """What the original server noted of each device."""
    paths = sorted((captures / "event-2022/motions").glob("motion-*/downloads.json"))
    return {int(path.parent.name.removeprefix("motion-")): json.loads(path.read_bytes()) for path in paths}


def in_the_originals_words(event: RealEvent, identifiers: Ledgers) -> Ledgers:
    """Our ledgers, with the original's keys only."""
    ledgers = {identifier: event.ledger(identifier) for identifier in identifiers}
    return {
        identifier: {name: {key: entry[key] for key in KEYS} for name, entry in ledger.items()}
        for identifier, ledger in ledgers.items()
    }


def check_tracks(event: RealEvent, original: Ledgers) -> None:
    """Every completed track is at its name, of its size, and sound; and there is no other file."""
    completed = [e for ledger in original.values() for e in ledger.values() if e["status"] == "completed"]
    assert len(completed) == 77
    names = {str(path.relative_to(event.root)) for path in event.root.glob("gpslogs/**/*") if path.is_file()}
    assert names == {entry["local_file"] for entry in completed}
    for entry in completed:
        integrity = examine(event.root / entry["local_file"]).integrity
        assert integrity.whole, entry["local_file"]
        assert integrity.length == entry["size"] - 1024
        assert integrity.header is not None
        assert integrity.header.start_date == entry["start_date"]


@on_the_reactor
async def test_the_event_of_2022_is_collected_as_it_was_then(event: RealEvent, captures: Path) -> None:
    original = original_ledgers(captures)
    await event.collect()
    assert in_the_originals_words(event, original) == original
    check_tracks(event, original)
    assert not event.said("ERROR")


@pytest.mark.slow
@on_the_reactor
async def test_a_folder_of_the_original_server_is_gone_on_with(event: RealEvent, captures: Path) -> None:
    """First with its ledgers only; then with the tracks, of which none is fetched again."""
    original = original_ledgers(captures)
    put_ledgers(event, original)
    await event.collect()
    assert in_the_originals_words(event, original) == original
    check_tracks(event, original)
    await event.stop()

    for server in event.servers.values():
        server.device.requests.clear()
    put_ledgers(event, original)
    now = event.now
    await event.start()
    for identifier in original:
        await event.until(f"motion-{identifier} can be disconnected", since=now)
    asked = {target for server in event.servers.values() for _, target in server.device.requests}
    assert asked == {b"/info.json", b"/settings.json", b"/logs.json"}
    assert in_the_originals_words(event, original) == original
    check_tracks(event, original)
    outcomes = {e["outcome"] for i in original for e in event.ledger(i).values() if e["status"] == "completed"}
    assert outcomes == {"verified"}


def put_ledgers(event: RealEvent, ledgers: Ledgers) -> None:
    """Write the original's ledgers; those of two devices come from other machines, with absolute paths."""
    for number, (identifier, ledger) in enumerate(ledgers.items()):
        path = event.folder.device_folder(identifier) / "downloads.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        foreign = ["/home/results/events/2022/", "C:\\results\\events\\2022\\", ""][min(number, 2)]
        written = {name: entry | {"local_file": foreign + entry["local_file"]} for name, entry in ledger.items()}
        path.write_text(json.dumps(written, indent=1))
