"""What a device sends that can't resume a transfer, or only in part."""

from __future__ import annotations

import pytest

from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.faults import FAULTS, Fault, parse_fault
from sse_twisted.simulator.responses import Ending, Response
from tests.simulator.small import device_with_logs, small_track

PATH = b"/logs/2025/10/a.oao"
TRACK = small_track()
START = 512
REST = TRACK[START:]
OF_PARTS = [name for name in FAULTS if name.startswith("range-")]


def device_with(text: str) -> SimulatedDevice:
    device = device_with_logs("a")
    device.supports_range = True
    device.add_fault(parse_fault(text)[0])
    return device


def part(text: str) -> Response:
    return device_with(text).respond(b"GET", PATH, {b"range": b"bytes=%d-" % START})


def header(response: Response, name: bytes) -> list[bytes]:
    return [value for key, value in response.headers if key == name]


@pytest.mark.parametrize(
    ("text", "place", "body"),
    [
        ("range-star", b"bytes 512-2591/*", REST),
        ("range-equals", b"bytes=512-2591/2592", REST),
        ("range-total@8", b"bytes 512-2591/2600", REST),
        ("range-shifted", b"bytes 513-2591/2592", REST[1:]),
        ("range-short@100", b"bytes 512-611/2592", REST[:100]),
    ],
)
def test_the_place_of_the_part_is_as_the_fault_says(text: str, place: bytes, body: bytes) -> None:
    response = part(text)
    assert (response.status, bytes(response.body)) == (206, body)
    assert header(response, b"Content-Range") == [place]
    assert header(response, b"Content-Length") == [b"%d" % len(body)]


@pytest.mark.parametrize("text", ["range-bare", "range-multipart"])
def test_the_place_is_missing(text: str) -> None:
    response = part(text)
    assert (response.status, header(response, b"Content-Range")) == (206, [])
    assert REST in bytes(response.body)


def test_a_part_may_be_wrapped() -> None:
    response = part("range-multipart")
    assert header(response, b"Content-Type") == [b"multipart/byteranges; boundary=simulated"]
    assert bytes(response.body).startswith(b"--simulated\r\n")


def test_a_part_may_be_refused_with_any_status() -> None:
    assert part("range-status").status == 400
    assert part("range-status@501").status == 501


@pytest.mark.parametrize(("text", "ending"), [("range-reset", Ending.RESET), ("range-silent", Ending.NO_RESPONSE)])
def test_nothing_may_be_sent(text: str, ending: Ending) -> None:
    assert part(text).ending is ending


@pytest.mark.parametrize("name", OF_PARTS)
def test_the_whole_track_is_sent_as_without_the_fault(name: str) -> None:
    device = device_with(name)
    response = device.respond(b"GET", PATH, {})
    assert (response.status, bytes(response.body), response.ending) == (200, TRACK, Ending.CLOSE)
    device.supports_range = False
    assert device.respond(b"GET", PATH, {b"range": b"bytes=512-"}).status == 200


def test_a_part_that_is_short_enough_stays_as_it_is() -> None:
    device = device_with("range-short@3000")
    device.faults[0].times = 1
    device.respond(b"GET", PATH, {b"range": b"bytes=512-"})
    assert device.faults[0].times == 1
    assert device.faults[0].fault == Fault("range-short", 3000)
