"""A simulated device: its correct responses, its counts, and where faults apply."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sse_twisted.simulator.device import Ending, PortState, Response, SimulatedDevice, SimulatedLog
from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.listings import make_entry
from tests.simulator.small import START, device_with_logs, small_track


def get(device: SimulatedDevice, target: bytes, **headers: bytes) -> Response:
    return device.respond(b"GET", target, {name.encode(): value for name, value in headers.items()})


def read_json(device: SimulatedDevice, target: bytes) -> Any:
    return json.loads(bytes(get(device, target).body))


def test_a_device_sends_info_and_settings() -> None:
    device = SimulatedDevice(601)
    assert read_json(device, b"/info.json")["motion"]["identifier"] == 601
    assert read_json(device, b"/settings.json")["settings"]["gnss_rate"] == "5"
    assert read_json(device, b"/logs.json") == {"logs": []}


def test_a_log_is_listed_as_its_header_has_it_and_1024_bytes_larger_than_it_is_sent() -> None:
    device = device_with_logs("a")
    (entry,) = read_json(device, b"/logs.json")["logs"]
    assert entry["size"] == len(get(device, entry["file"].encode()).body) + 1024
    assert (entry["start_date"], entry["end_date"]) == (START, START + 8000)
    assert (entry["2s_best"], entry["500m_best"], entry["timezone"]) == (15_000, 0, 60)


def test_a_log_may_be_made_when_it_is_first_asked_for() -> None:
    made: list[str] = []

    def make() -> bytes:
        made.append("once")
        return small_track()

    log = SimulatedLog("/logs/a.oao", make, make_entry("/logs/a.oao", len(small_track())))
    device = SimulatedDevice(601, [log])
    read_json(device, b"/logs.json")
    assert not made
    assert not log.ready
    assert bytes(get(device, b"/logs/a.oao").body) == bytes(get(device, b"/logs/a.oao").body) == small_track()
    assert made == ["once"]


def test_any_other_path_is_missing_and_any_other_method_refused() -> None:
    device = device_with_logs("a")
    assert get(device, b"/logs/2025/10/b.oao").status == 404
    assert get(device, b"/").status == 404
    assert device.respond(b"DELETE", b"/logs/2025/10/a.oao", {}).status == 405


def test_requests_are_remembered_in_order() -> None:
    device = SimulatedDevice(601)
    get(device, b"/info.json")
    device.respond(b"HEAD", b"/x%20y", {})
    assert device.requests == [(b"GET", b"/info.json"), (b"HEAD", b"/x%20y")]


def test_a_path_may_be_escaped_in_the_request() -> None:
    device = SimulatedDevice(601, [SimulatedLog("/logs/a b.oao", small_track())])
    assert get(device, b"/logs/a%20b.oao").status == 200


def test_a_range_is_ignored_unless_the_device_knows_ranges() -> None:
    device = device_with_logs("a")
    response = get(device, b"/logs/2025/10/a.oao", range=b"bytes=512-")
    assert (response.status, len(response.body)) == (200, len(small_track()))


def test_a_device_that_knows_ranges_sends_the_part_that_is_asked_for() -> None:
    device = device_with_logs("a")
    device.supports_range = True
    part = get(device, b"/logs/2025/10/a.oao", range=b"bytes=512-")
    assert (part.status, bytes(part.body)) == (206, small_track()[512:])
    assert (b"Content-Range", b"bytes 512-2591/2592") in part.headers
    assert get(device, b"/logs/2025/10/a.oao").status == 200
    beyond = get(device, b"/logs/2025/10/a.oao", range=b"bytes=2592-")
    assert (beyond.status, dict(beyond.headers)[b"Content-Range"]) == (416, b"bytes */2592")


def test_speed_and_latency_of_the_device_are_those_of_its_answers() -> None:
    device = SimulatedDevice(601, latency=0.3, bytes_per_second=400_000.0)
    response = get(device, b"/info.json")
    assert (response.latency, response.bytes_per_second) == (0.3, 400_000.0)


def test_the_highest_number_of_connections_is_kept() -> None:
    device = SimulatedDevice(601)
    device.connect()
    device.connect()
    device.disconnect()
    device.connect()
    assert (device.open_connections, device.most_connections) == (2, 2)


@pytest.mark.parametrize(
    ("name", "state"),
    [("refused", PortState.REFUSED), ("reset", PortState.RESET), ("never-accepted", PortState.NEVER_ACCEPTED)],
)
def test_a_fault_of_the_port_happens_as_often_as_set(name: str, state: PortState) -> None:
    device = SimulatedDevice(601)
    device.add_fault(Fault(name), times=2)
    assert [device.connect() for _ in range(3)] == [state, state, PortState.OPEN]


def test_only_connections_that_come_about_are_counted() -> None:
    device = SimulatedDevice(601)
    device.add_fault(Fault("refused"))
    device.connect()
    assert device.most_connections == 0


def test_a_fault_applies_to_the_paths_that_it_was_given_for() -> None:
    device = device_with_logs("a", "b")
    device.add_fault(Fault("500"), path="b.oao")
    assert get(device, b"/logs/2025/10/a.oao").status == 200
    assert get(device, b"/logs/2025/10/b.oao").status == 500


def test_a_fault_of_the_listing_may_be_given_for_one_log() -> None:
    device = device_with_logs("a", "b")
    device.add_fault(Fault("negative-size"), path="b.oao")
    first, second = read_json(device, b"/logs.json")["logs"]
    assert first["size"] > 0
    assert second["size"] == -1


def test_a_fault_happens_as_often_as_set() -> None:
    device = SimulatedDevice(601)
    device.add_fault(Fault("404"), times=2)
    assert [get(device, b"/info.json").status for _ in range(3)] == [404, 404, 200]


def test_a_cut_after_the_end_of_a_response_does_not_count() -> None:
    device = device_with_logs("a")
    device.add_fault(Fault("cut", at=2000), times=1)
    assert get(device, b"/info.json").ending is Ending.CLOSE
    assert get(device, b"/logs/2025/10/a.oao").ending is Ending.CLOSE_EARLY
    assert get(device, b"/logs/2025/10/a.oao").ending is Ending.CLOSE


def test_cleared_faults_are_gone_and_watchers_hear_of_it() -> None:
    device = SimulatedDevice(601)
    heard: list[PortState] = []
    device.watchers.append(lambda: heard.append(device.port_state))
    device.add_fault(Fault("refused"))
    device.clear_faults()
    assert heard == [PortState.REFUSED, PortState.OPEN]


def test_several_faults_add_up() -> None:
    device = device_with_logs("a")
    device.add_fault(Fault("length-missing"))
    device.add_fault(Fault("abort", at=5))
    response = get(device, b"/info.json")
    assert response.ending is Ending.ABORT
    assert b"Content-Length" not in dict(response.headers)


@pytest.mark.parametrize(
    ("name", "reason"), [("404", b"Not Found"), ("redirect", b"Found"), ("503", b"Service Unavailable")]
)
def test_a_status_has_its_own_reason(name: str, reason: bytes) -> None:
    device = SimulatedDevice(601)
    device.add_fault(Fault(name))
    assert get(device, b"/info.json").reason == reason
