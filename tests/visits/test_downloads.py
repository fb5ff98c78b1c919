"""One track from a device to its final name, or why not."""

from __future__ import annotations

import pytest

from sse_twisted.config.settings import Downloads, Settings
from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.faults import parse_fault
from tests.support.event import VirtualEvent, log_of

NAME = "ABC601XYZ_601_20221017_090000.oao"
FINAL = f"gpslogs/20221017/{NAME}"


@pytest.fixture
def device(event: VirtualEvent) -> SimulatedDevice:
    """A device with one track, that has arrived."""
    device = event.device(601, log_of(601))
    event.arrive(601)
    return device


def test_a_track_is_in_the_ledger_with_its_digest_when_it_has_its_name(
    event: VirtualEvent, device: SimulatedDevice
) -> None:
    event.start()
    event.until(f"INFO motion-601 {NAME} downloaded - ")
    entry = event.ledger(601)[NAME]
    assert (entry["status"], entry["outcome"]) == ("completed", "verified")
    assert entry["length"] == len(device.logs[0].content)
    assert event.tracks() == {FINAL: device.logs[0].content}


def test_its_progress_is_known_while_it_comes_and_forgotten_afterwards(
    event: VirtualEvent, device: SimulatedDevice
) -> None:
    device.bytes_per_second = 4000
    event.start()
    event.until("queued")
    event.advance(1)
    known = event.known(601)
    assert (known.downloading, known.size) == (NAME, len(device.logs[0].content))
    event.until("downloaded")
    event.advance(0.1)
    known = event.known(601)
    assert (known.downloading, known.size, known.received) == ("", 0, 0)


def test_a_failure_says_why_and_stands_in_the_ledger(event: VirtualEvent, device: SimulatedDevice) -> None:
    device.add_fault(parse_fault("404")[0], path="/logs/")
    event.start()
    line = event.until(f"ERROR motion-601 {NAME} failed - ")
    assert line.endswith("(HTTP 404))")
    event.advance(0.5)
    assert event.ledger(601)[NAME]["status"] == "failed"


class TestTheAnnouncedLength:
    def test_is_not_believed_when_it_is_not_the_listed_one(self, event: VirtualEvent, device: SimulatedDevice) -> None:
        device.add_fault(parse_fault("length-short")[0], path="/logs/", times=1)
        event.start()
        event.until(f"{NAME} failed - ")
        assert event.said("(announces ")
        assert event.tracks() == {}
        event.until("can be disconnected")
        assert event.tracks() == {FINAL: device.logs[0].content}


class TestATransferThatWasCut:
    @pytest.fixture
    def cut(self, device: SimulatedDevice) -> SimulatedDevice:
        """The device, whose first transfer ends after 15,000 of 20,000 bytes."""
        device.add_fault(parse_fault("cut@15000")[0], path="/logs/", times=1)
        device.supports_range = True
        return device

    def test_is_resumed_with_what_is_here(self, event: VirtualEvent, cut: SimulatedDevice) -> None:
        event.start()
        event.until(f"{NAME} failed - ")
        (partial,) = event.folder.partials.found()
        assert 10_000 < partial.stat().st_size <= 15_000
        event.until("can be disconnected")
        assert event.tracks() == {FINAL: cut.logs[0].content}
        assert not list(event.folder.partials.found())

    def test_begins_anew_where_the_device_can_not_resume(self, event: VirtualEvent, cut: SimulatedDevice) -> None:
        cut.supports_range = False
        event.start()
        event.until("can be disconnected")
        assert event.tracks() == {FINAL: cut.logs[0].content}

    def test_may_come_in_parts_but_not_too_slowly(self, event: VirtualEvent, cut: SimulatedDevice) -> None:
        cut.latency = 5.0
        cut.add_fault(parse_fault("range-short@600")[0], path="/logs/")
        event.start()
        event.until("(too slow: 3,600 bytes in 30 s)")
        cut.latency = 0.02
        event.until("can be disconnected")
        assert event.tracks() == {FINAL: cut.logs[0].content}

    def test_may_come_in_parts_but_not_without_end(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601, fixes=40_000))
        event.settings = Settings(downloads=Downloads(largest_track=1))
        device.supports_range = True
        device.add_fault(parse_fault("cut@500000")[0], path="/logs/", times=1)
        device.add_fault(parse_fault("range-short@400000")[0], path="/logs/")
        event.arrive(601)
        event.start()
        event.until("more than 1,000,000 bytes")
        assert event.tracks() == {}

    def test_is_left_behind_when_the_log_grows_meanwhile(self, event: VirtualEvent, cut: SimulatedDevice) -> None:
        event.start()
        event.until(f"{NAME} failed - ")
        cut.logs[0].grow(30)
        event.until("can be disconnected")
        assert event.tracks() == {FINAL: cut.logs[0].content}


def test_with_too_little_room_nothing_is_asked_for_until_there_is_some(
    event: VirtualEvent, device: SimulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = event.start()
    monkeypatch.setattr(type(collector.folder), "free", lambda _: 1_000_000)
    event.until("only 1 MB free")
    assert not [target for _, target in device.requests if target.startswith(b"/logs/")]
    monkeypatch.undo()
    event.until("can be disconnected")
    assert event.tracks() == {FINAL: device.logs[0].content}


def test_a_track_that_is_larger_than_any_is_cut_off(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601, fixes=40_000))
    event.settings = Settings(downloads=Downloads(largest_track=1))
    event.arrive(601)
    event.start()
    event.until("more than 1,000,000 bytes")
    assert len(device.logs[0].content) > 2_000_000
    assert event.tracks() == {}
