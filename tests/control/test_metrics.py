from __future__ import annotations

from prometheus_client import generate_latest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from sse_twisted.control.metrics import DELAY_INTERVAL, DelayMeter, reason_of
from sse_twisted.devices.errors import BadAnswer, Unreachable
from sse_twisted.runtime.disk import DiskTrouble
from sse_twisted.simulator.faults import parse_fault
from tests.support.event import VirtualEvent, log_of


def test_a_visit_is_counted(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    event.person(602)
    device.add_fault(parse_fault("404")[0], path="/logs/", times=1)
    event.arrive(601)
    collector = event.start()
    event.until("can be disconnected")
    figures = collector.statistics.figures()
    assert figures.tracks == {"verified": 1, "unverified": 0, "damaged": 0}
    assert {reason: count for reason, count in figures.failures.items() if count} == {"refused": 1}
    assert figures.retries == 1
    assert figures.stages["collected"] == 1
    assert figures.stages["absent"] == 1
    assert figures.rounds["scan"] == collector.scanner.rounds
    asked = len(device.requests)
    assert figures.requests == asked
    assert len(device.logs[0].content) < figures.received < len(device.logs[0].content) + 20_000
    assert figures.memory > 10_000_000


def test_a_scrape_has_the_names_and_units_of_prometheus(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.arrive(601)
    collector = event.start()
    event.until("can be disconnected")
    text = generate_latest(collector.statistics.registry).decode()
    for line in (
        'sse_devices{stage="collected"} 1.0',
        'sse_tracks_total{outcome="verified"} 1.0',
        'sse_request_duration_seconds_count{kind="track",outcome="ok"} 1.0',
        'sse_stage_duration_seconds_count{stage="downloading"} 1.0',
        'sse_failures_total{reason="disk"} 0.0',
    ):
        assert f"\n{line}\n" in text


def test_the_bytes_of_an_interrupted_transfer_are_counted(event: VirtualEvent) -> None:
    event.device(601, log_of(601)).add_fault(parse_fault("cut@9000")[0], path="/logs/")
    event.arrive(601)
    collector = event.start()
    event.until("must stay connected")
    assert collector.statistics.figures().received > 9000
    assert collector.statistics.registry.get_sample_value(
        "sse_request_duration_seconds_count", {"kind": "track", "outcome": "interrupted"}
    )


def test_each_collector_has_its_own_registry(event: VirtualEvent) -> None:
    first = event.start().statistics
    event.stop()
    assert first.figures().rounds["scan"]
    second = event.start().statistics
    assert first.registry is not second.registry
    assert second.figures().rounds["scan"] == 1


def test_a_blocked_reactor_is_late() -> None:
    clock = Clock()
    delays: list[float] = []
    meter = DelayMeter(clock, delays.append)
    meter.startService()
    clock.advance(DELAY_INTERVAL)
    clock.advance(DELAY_INTERVAL + 0.25)
    assert delays == [0.0, 0.25]
    meter.stopService()
    assert not clock.getDelayedCalls()


def test_each_error_has_a_reason() -> None:
    errors = (Unreachable("x"), BadAnswer("x"), DiskTrouble("x"), CancelledError(), ValueError("x"))
    assert [reason_of(error) for error in errors] == ["unreachable", "bad_answer", "disk", "cancelled", "other"]
