"""Simulated devices from a folder of captures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sse_twisted.simulator.captures import CaptureError, captured_devices
from sse_twisted.simulator.documents import motion_info, motion_settings
from sse_twisted.simulator.listings import make_entry
from sse_twisted.simulator.tracks import track_of_size

START = 1_760_270_400_000
FILE = "/logs/2025/10/0601_2025-10-12-1300.oao"
ENTRY = make_entry(FILE, 512 + 52 * 100, start_date=START, end_date=START + 60_000, duration=60_000)


def capture(folder: Path, identifier: int, **documents: Any) -> Path:
    motion = folder / "motions" / f"motion-{identifier}"
    motion.mkdir(parents=True)
    usual = {"info": motion_info(identifier), "settings": motion_settings(), "logs": {"logs": [ENTRY]}}
    for name, document in (usual | documents).items():
        (motion / f"{name}.json").write_text(json.dumps(document))
    return folder


def test_a_captured_device_answers_as_the_real_one_did(tmp_path: Path) -> None:
    (device,) = captured_devices(capture(tmp_path, 601, info=motion_info(601, battery=71)))
    assert device.identifier == 601
    assert json.loads(bytes(device.respond(b"GET", b"/info.json", {}).body)) == motion_info(601, battery=71)
    assert json.loads(bytes(device.respond(b"GET", b"/logs.json", {}).body)) == {"logs": [ENTRY]}


def test_devices_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for identifier in (1002, 99, 601):
        capture(tmp_path, identifier)
    assert [device.identifier for device in captured_devices(tmp_path)] == [99, 601, 1002]


def test_a_track_that_is_not_at_hand_is_made_when_it_is_asked_for(tmp_path: Path) -> None:
    (device,) = captured_devices(capture(tmp_path, 601))
    assert not device.logs[0].ready
    assert len(device.respond(b"GET", FILE.encode(), {}).body) == ENTRY["size"] - 1024


@pytest.mark.parametrize("name", ["601_2025-10-12-1300.oao", "0601_2025-10-12-1300.oao"])
def test_a_real_track_is_sent_if_it_has_the_length_of_the_listing(tmp_path: Path, name: str) -> None:
    real = track_of_size(601, 512 + 52 * 100, START)
    (tmp_path / name).write_bytes(real)
    (device,) = captured_devices(capture(tmp_path, 601), tmp_path)
    assert device.logs[0].content == real
    (tmp_path / name).write_bytes(real[:-52])
    (device,) = captured_devices(tmp_path, tmp_path)
    assert device.logs[0].content[512:] != real[512:]
    assert len(device.logs[0].content) == len(real)


def test_a_folder_without_captures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no motion-<id> folder in "):
        captured_devices(tmp_path)


@pytest.mark.parametrize(
    "documents",
    [{"info": {}}, {"info": []}, {"logs": {"logs": [5]}}, {"logs": {"logs": [{"file": FILE}]}}, {"settings": 5}],
)
def test_a_capture_that_makes_no_sense_is_an_error_that_names_it(tmp_path: Path, documents: dict[str, Any]) -> None:
    with pytest.raises(CaptureError, match="motion-601"):
        captured_devices(capture(tmp_path, 601, **documents), tmp_path)


def test_a_torn_capture_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    capture(tmp_path, 601)
    (tmp_path / "motions/motion-601/settings.json").write_text('{"settings": {')
    with pytest.raises(CaptureError, match=r"settings\.json"):
        captured_devices(tmp_path)


def test_the_devices_of_a_real_event_can_be_simulated(captures: Path) -> None:
    devices = captured_devices(captures / "event-2022", captures / "tracks")
    assert len(devices) == 23
    (real,) = [log for device in devices for log in device.logs if "0634_2022-10-19-1337" in log.path]
    assert real.content == (captures / "tracks/634_2022-10-19-1337.oao").read_bytes()
