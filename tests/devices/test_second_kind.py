"""A second kind of device is collected from end to end by the unchanged collector, beside the first kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.web.server import Site

from sse_twisted.config.settings import Devices, Settings
from sse_twisted.devices.drivers import KNOWN, Drivers
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.tracks.oao.header import decode_header
from tests.support.event import MORNING, VirtualEvent, begin_anew, log_of, track
from tests.support.second_kind import Logger, LoggerDriver

HOME = "gpslogs/20221017/ABC7XYZ_7_20221017_080000.trk"


@pytest.fixture
def two_kinds(event: VirtualEvent, tmp_path: Path) -> VirtualEvent:
    """An event whose roster names loggers; another device is listed by its address."""
    event.folder = EventFolder(tmp_path, Drivers(LoggerDriver(), *KNOWN))
    event.settings = Settings(devices=Devices(listed=("10.0.2.89",)))
    return event


def logger(event: VirtualEvent, number: int = 7) -> Logger:
    """A logger with one track, on the network under its name."""
    data = track(number)
    header = decode_header(data)
    device = Logger(number, {"/t/1.trk": (data, MORNING, header.end_date, header.distance)})
    event.person(number)
    event.names.known[f"logger-{number}"] = f"10.0.0.{number}"
    event.reactor.listenTCP(80, Site(device, reactor=event.reactor), interface=f"10.0.0.{number}")
    return device


def test_it_is_found_inspected_downloaded_verified_and_released(two_kinds: VirtualEvent) -> None:
    device = logger(two_kinds)
    two_kinds.start()
    assert two_kinds.until("logger-7 can be disconnected") == "INFO logger-7 can be disconnected"
    assert two_kinds.tracks() == {HOME: device.tracks["/t/1.trk"][0]}
    assert two_kinds.ledger(7)[Path(HOME).name]["outcome"] == "verified"
    assert (two_kinds.root / "motions" / "logger-7" / "whoami.txt").read_bytes() == b"logger 7, battery 87"
    assert two_kinds.said("logger-7 is connected")
    assert two_kinds.known(7).battery == 87


def test_a_track_that_has_grown_is_fetched_again(two_kinds: VirtualEvent) -> None:
    device = logger(two_kinds)
    two_kinds.start()
    two_kinds.until("logger-7 can be disconnected")
    longer = track(7, fixes=500)
    header = decode_header(longer)
    device.tracks["/t/1.trk"] = (longer, MORNING, header.end_date, header.distance)
    two_kinds.lines.clear()
    two_kinds.wake_all()
    two_kinds.until("logger-7 can be disconnected")
    assert two_kinds.tracks()[HOME] == longer


def test_one_of_another_length_is_kept_on(two_kinds: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    device = logger(two_kinds)
    data, start, end, distance = device.tracks["/t/1.trk"]
    device.tracks["/t/1.trk"] = (data[:-52], start, end, distance)
    listing = device.answers()["/tracks.csv"].replace(b"%d," % (len(data) - 52), b"%d," % len(data))
    answers = device.answers() | {"/tracks.csv": listing}
    monkeypatch.setattr(device, "answers", lambda: answers)
    two_kinds.start()
    two_kinds.until("logger-7 must stay connected - 1 of 1 track missing")
    two_kinds.advance(1.0)
    assert two_kinds.tracks() == {}


def test_its_departure_and_a_restart_are_known(two_kinds: VirtualEvent) -> None:
    logger(two_kinds)
    two_kinds.start()
    two_kinds.until("logger-7 can be disconnected")
    two_kinds.reactor.listeners.clear()
    two_kinds.reactor.dark.add("10.0.0.7")
    two_kinds.advance(30.0)
    assert two_kinds.known(7).stage == "gone"
    begin_anew(two_kinds)
    two_kinds.advance(30.0)
    device, collector = two_kinds.known(7), two_kinds.collector
    assert (device.stage, device.name, device.is_collected) == ("gone", "logger-7", True)
    assert collector is not None
    assert "can be disconnected" in {event.text for event in collector.history.of(7)}


def test_its_alarm_has_its_name_after_a_restart(two_kinds: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    device = logger(two_kinds)
    answers = {path: answer for path, answer in device.answers().items() if not path.startswith("/t/")}
    monkeypatch.setattr(device, "answers", lambda: answers)
    two_kinds.start()
    two_kinds.until("logger-7 must stay connected - 1 of 1 track missing")
    two_kinds.reactor.listeners.clear()
    two_kinds.reactor.dark.add("10.0.0.7")
    two_kinds.until("logger-7 left too early")
    begin_anew(two_kinds)
    assert two_kinds.said("ERROR logger-7 left too early, before this start")


def test_the_first_kind_is_collected_beside_it(two_kinds: VirtualEvent) -> None:
    logger(two_kinds)
    two_kinds.device(601, log_of(601), person=False)
    two_kinds.arrive(601)
    two_kinds.start()
    two_kinds.until("logger-7 can be disconnected")
    two_kinds.until("motion-601 can be disconnected")
    assert (two_kinds.root / "motions" / "motion-601" / "info.json").exists()
    assert len(two_kinds.tracks()) == 2


def test_the_driver_is_small() -> None:
    source = Path(__file__).parents[1] / "support" / "second_kind.py"
    assert len(source.read_text().splitlines()) < 150
