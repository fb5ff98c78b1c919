"""What a device is asked, and what of its answers is kept and said."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sse_twisted.config.settings import Expected, Settings
from sse_twisted.devices.driver import Finding
from sse_twisted.devices.motion.driver import MotionDriver
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.runtime.group_sync import Steps
from sse_twisted.simulator.faults import parse_fault
from tests.support.event import MORNING, VirtualEvent, log_of


def test_the_last_answers_are_kept_as_the_device_gave_them(event: VirtualEvent) -> None:
    device = event.collect()
    folder = event.folder.device_folder(601)
    kept = {path.name: json.loads(path.read_bytes()) for path in folder.glob("*.json")}
    assert kept["info.json"] == device.info
    assert kept["settings.json"] == device.settings
    assert [entry["file"] for entry in kept["logs.json"]["logs"]] == [device.logs[0].path]


def test_what_is_not_as_expected_is_said_once_in_a_visit_and_known_of_the_device(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    device.info["motion"]["battery"]["level"] = 33
    device.settings["settings"]["gnss_rate"] = "1"
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    event.wake_all()
    event.advance(2)
    assert event.said("battery level") == ["WARN motion-601 battery level is 33%"]
    assert event.said("GNSS rate") == ["WARN motion-601 GNSS rate is incorrect (1)"]
    assert event.known(601).battery == 33
    assert {"battery level is 33%", "GNSS rate is incorrect (1)"} <= set(event.known(601).findings)


def test_what_is_expected_can_be_set(event: VirtualEvent) -> None:
    event.settings = Settings(expected=Expected(battery=20, gnss_rate=1))
    device = event.device(601, log_of(601))
    device.info["motion"]["battery"]["level"] = 33
    device.settings["settings"]["gnss_rate"] = "1"
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    assert event.said("battery level") == ["INFO motion-601 battery level is 33%"]
    assert event.said("GNSS rate") == ["DEBUG motion-601 GNSS rate is 1"]


def test_the_battery_is_known_as_it_is_now(event: VirtualEvent) -> None:
    device = event.collect()
    device.info["motion"]["battery"]["level"] = 51
    event.wake_all()
    event.advance(1)
    assert event.known(601).battery == 51


@pytest.mark.parametrize("fault", ["404", "html", "half-json"])
def test_settings_that_can_not_be_had_cost_no_track(event: VirtualEvent, fault: str) -> None:
    event.device(601, log_of(601)).add_fault(parse_fault(fault)[0], path="/settings.json")
    event.arrive(601)
    event.start()
    event.until("motion-601 settings are unknown")
    event.until("can be disconnected")
    assert list(event.tracks()) == ["gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao"]


def test_without_its_settings_the_time_zone_is_the_one_that_it_had_last(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    device.settings["settings"]["timezone"] = "120"
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    before = event.tracks()
    assert list(before) == ["gpslogs/20221017/ABC601XYZ_601_20221017_100000.oao"]
    device.add_fault(parse_fault("404")[0], path="/settings.json")
    event.leave(601)
    event.until("has been disconnected")
    event.lines.clear()
    event.arrive(601)
    event.until("can be disconnected")
    assert event.tracks() == before


def test_a_device_whose_settings_do_not_come_is_asked_for_them_again(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    device.add_fault(parse_fault("no-headers")[0], path="/settings.json", times=1)
    event.arrive(601)
    event.start()
    event.until("motion-601 must stay connected - inspection failed: ")
    event.until("can be disconnected")
    assert [target for _, target in device.requests].count(b"/settings.json") == 2


def test_a_listing_of_another_device_is_no_listing_of_this_one(event: VirtualEvent) -> None:
    """The address changes hands between the detection and the listing."""
    event.device(601, log_of(601))
    other = event.device(602, log_of(602))
    event.arrive(601)
    event.start()
    event.until("motion-601 is connected")
    event.servers[601].device, other = other, event.servers[601].device
    event.until("motion-602 answers at its address")
    assert not event.said("motion-601 can be disconnected")
    assert not (event.folder.device_folder(601) / "logs.json").exists()


def test_the_same_answer_is_examined_once_in_a_visit(event: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    examined: list[str] = []
    findings = MotionDriver.findings

    def note(motion: MotionDriver, files: Mapping[str, bytes], expected: Any) -> Iterator[Finding]:
        examined.extend(files)
        return findings(motion, files, expected)

    monkeypatch.setattr(MotionDriver, "findings", note)
    device = event.collect()
    assert examined == ["info.json", "settings.json"]
    device.info["motion"]["battery"]["level"] = 51
    event.wake_all()
    event.advance(1)
    assert examined == ["info.json", "settings.json", "info.json"]


def test_the_same_listing_is_stored_once_in_an_inspection_and_another_one_again(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[str] = []
    storing_answer = EventFolder.storing_answer

    def note(folder: EventFolder, identifier: int, name: str, answer: bytes) -> Steps[None]:
        stored.append(name)
        return storing_answer(folder, identifier, name, answer)

    monkeypatch.setattr(EventFolder, "storing_answer", note)
    device = event.collect()
    listing = event.folder.device_folder(601) / "logs.json"
    assert stored == ["info.json", "settings.json", "logs.json"]
    before = listing.stat()
    event.wake_all()
    event.advance(5)
    assert stored[3:] == ["logs.json"]
    assert listing.stat().st_ino != before.st_ino  # by which a restart knows of the inspection
    device.logs.append(log_of(601, MORNING + 3_600_000))
    event.wake_all()
    event.advance(5)
    assert stored[4:] == ["logs.json"]
    assert [entry["file"] for entry in json.loads(listing.read_bytes())["logs"]] == [log.path for log in device.logs]


def test_a_listing_that_could_not_be_stored_is_stored_with_the_next_one(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    with monkeypatch.context() as patch:
        patch.setattr(EventFolder, "storing_answer", full_disk)
        event.until("motion-601 must stay connected")
    event.until("motion-601 can be disconnected")
    assert (event.folder.device_folder(601) / "logs.json").exists()


def full_disk(*_: object) -> Iterator[tuple[int, ...]]:
    yield ()
    raise OSError(errno.ENOSPC, "No space left on device")
