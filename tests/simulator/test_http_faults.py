"""Each fault by its name, on real sockets: what arrives is what the fault says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from twisted.internet.error import ConnectError

from sse_twisted.simulator.damage import sealed
from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.faults import FAULTS, Fault, parse_fault
from sse_twisted.simulator.http import DeviceServer
from sse_twisted.simulator.listings import EVIL_PATHS
from tests.simulator.small import START, device_with_logs, small_track
from tests.simulator.wire import Arrived, ask, becomes, fetch, on_the_reactor, serving

TRACK = small_track()
LOG = "/logs/2025/10/b.oao"
INFO, SETTINGS, LISTING = "/info.json", "/settings.json", "/logs.json"


def misbehaving(reactor: Any, text: str) -> AbstractAsyncContextManager[DeviceServer]:
    """A device with two logs of the same bytes and a fault."""
    fault, _ = parse_fault(text)
    device = device_with_logs("a", "b")
    device.add_fault(fault)
    return serving(reactor, device)


def entries(arrived: Arrived) -> Any:
    return json.loads(arrived.body)["logs"]


def motion(arrived: Arrived) -> Any:
    return json.loads(arrived.body)["motion"]


def utcs(track: bytes) -> list[int]:
    return [int.from_bytes(track[at + 24 : at + 32], "little") for at in range(512, len(track), 52)]


def is_sealed(track: bytes) -> bool:
    frames = [track[at : at + 52] for at in range(512, len(track), 52)]
    return all(sealed(each) == each for each in (track[:512], *frames))


def refuses_numbers(arrived: Arrived, spelling: str) -> bool:
    """Every number is spelled so, and the rest is JSON."""
    text = arrived.body.decode()
    return spelling in text and not re.search(r": \d+[,}]", text) and bool(json.loads(text))


def is_cut_json(arrived: Arrived) -> bool:
    """It begins like a listing, and does not end like one."""
    return arrived.body.startswith(b'{"logs": [{"file"') and not arrived.body.endswith(b"]}")


Check = Callable[[Arrived], object]

BODY_FAULTS: dict[str, tuple[str, Check]] = {
    "slow-headers:0.01": (LOG, lambda it: it.body == TRACK),
    "cut@777": (LOG, lambda it: (it.lengths, it.body, it.end) == ([len(TRACK)], TRACK[:777], "closed")),
    "abort@777": (LOG, lambda it: (it.lengths, it.body, it.end) == ([len(TRACK)], TRACK[:777], "reset")),
    "reboot@777": (LOG, lambda it: (it.lengths, it.body, it.end) == ([len(TRACK)], TRACK[:777], "reset")),
    "drip:0.0001": (INFO, lambda it: motion(it)["identifier"] == 601),
    "length-long": (LOG, lambda it: (it.lengths, it.body) == ([len(TRACK) + 1000], TRACK)),
    "length-short": (LOG, lambda it: (it.lengths, it.body) == ([len(TRACK) - 1], TRACK)),
    "length-missing": (LOG, lambda it: (it.lengths, it.body) == ([], TRACK)),
    "length-twice": (LOG, lambda it: (it.lengths, it.body) == ([len(TRACK), len(TRACK) + 52], TRACK)),
    "404": (LOG, lambda it: it.status == 404),
    "500": (INFO, lambda it: it.status == 500),
    "503:7": (INFO, lambda it: (it.status, it.header(b"Retry-After")) == (503, [b"7"])),
    "redirect": (
        INFO,
        lambda it: (it.status, it.header(b"Location")) == (302, [b"http://elsewhere.invalid/info.json"]),
    ),
}

JSON_FAULTS: dict[str, tuple[str, Check]] = {
    "html": (INFO, lambda it: it.status == 200 and it.body.startswith(b"<!DOCTYPE html>")),
    "half-json": (LISTING, lambda it: it.lengths == [len(it.body)] and is_cut_json(it)),
    "huge-json@3000000": (LISTING, lambda it: it.lengths[0] == len(it.body) and len(entries(it)) == 749_997),
    "deep-json": (INFO, lambda it: it.body == b"[" * 100_000 + b"]" * 100_000),
    "wrong-types": (INFO, lambda it: (motion(it)["identifier"], motion(it)["wifi"]) == ("a text", 7)),
    "1e400": (INFO, lambda it: refuses_numbers(it, "1e400")),
    "nan": (LISTING, lambda it: refuses_numbers(it, "NaN")),
    "duplicate-keys": (INFO, lambda it: b'"identifier": 601, "identifier": 602' in it.body),
}

LISTING_FAULTS: dict[str, tuple[str, Check]] = {
    "negative-size": (LISTING, lambda it: [each["size"] for each in entries(it)] == [-1, -1]),
    "10TB": (LISTING, lambda it: [each["size"] for each in entries(it)] == [10**13, 10**13]),
    "1970": (LISTING, lambda it: [each["start_date"] for each in entries(it)] == [0, 0]),
    "2080": (LISTING, lambda it: [each["start_date"] for each in entries(it)] == [3_471_292_800_000] * 2),
    "same-entry-twice": (LISTING, lambda it: [each["file"][-5] for each in entries(it)] == ["a", "a", "b", "b"]),
    "10000-entries": (LISTING, lambda it: len({each["file"] for each in entries(it)}) == 10_000),
    "evil-paths": (LISTING, lambda it: {each["file"] for each in entries(it)} > {LOG, *EVIL_PATHS}),
    "bad-entry": (LISTING, lambda it: len(entries(it)) > 2 and entries(it)[0] is None and entries(it)[1] == 5),
}

TRACK_FAULTS: dict[str, tuple[str, Check]] = {
    "flipped-bit": (LOG, lambda it: sum(a != b for a, b in zip(it.body, TRACK, strict=True)) == 1),
    "flipped-bit-always@600": (LOG, lambda it: it.body[600] ^ TRACK[600] == 0x10),
    "frame-cut": (LOG, lambda it: it.lengths == [512 + 52 * 20] and it.body == TRACK[: 512 + 52 * 20]),
    "trailer": (LOG, lambda it: it.body == TRACK + b"]}"),
    "empty-body": (LOG, lambda it: (it.status, it.lengths, it.body) == (200, [0], b"")),
    "foreign": (LOG, lambda it: it.body[4:6] == (602).to_bytes(2, "little") and is_sealed(it.body)),
    "unknown-frame": (LOG, lambda it: it.body.count(b"\xdf\x0a") == 1 and is_sealed(it.body)),
    "grown@10": (LOG, lambda it: is_sealed(it.body) and utcs(it.body) == [*range(START + 200, START + 10_001, 200)]),
}

DEVICE_FAULTS: dict[str, tuple[str, Check]] = {
    "wrong-identifier": (INFO, lambda it: motion(it)["identifier"] == 602),
    "low-battery": (INFO, lambda it: motion(it)["battery"]["level"] == 12),
    "wrong-firmware": (INFO, lambda it: motion(it)["firmware"]["name"] == "3232 Release"),
    "full-storage": (INFO, lambda it: motion(it)["filesystem"]["level"] == 97),
    "old-firmware-shape": (
        INFO,
        lambda it: (motion(it)["hardware"], motion(it)["firmware"]) == ("wireless-mini", 3129),
    ),
    "wrong-settings": (
        SETTINGS,
        lambda it: (
            {"gnss_rate": "1", "one_log_per_day": "1", "timezone": "0"}.items()
            <= json.loads(it.body)["settings"].items()
        ),
    ),
}

CHECKS = BODY_FAULTS | JSON_FAULTS | LISTING_FAULTS | TRACK_FAULTS | DEVICE_FAULTS
SLOW = {"slow-headers:0.01", "drip:0.0001"}
"""The same bytes as without, at another time: test_delivery looks at that."""

OF_PARTS = {name for name in FAULTS if name.startswith("range-")}
"""They change nothing unless a part is requested: test_range_faults looks at that."""

APART = OF_PARTS | {"refused", "reset", "never-accepted", "no-headers", "stall", "not-finalised", "empty-log"}


@pytest.mark.parametrize("text", CHECKS)
@on_the_reactor
async def test_what_arrives_is_what_the_fault_says(reactor: Any, text: str) -> None:
    target, says = CHECKS[text]
    async with misbehaving(reactor, text) as server:
        arrived = await fetch(reactor, server, target)
    assert says(arrived), (arrived.head, arrived.body[:500], arrived.end)


@pytest.mark.parametrize("text", [text for text in CHECKS if text not in SLOW])
@on_the_reactor
async def test_without_the_fault_something_else_arrives(reactor: Any, text: str) -> None:
    target, says = CHECKS[text]
    async with misbehaving(reactor, text) as server:
        server.device.clear_faults()
        arrived = await fetch(reactor, server, target)
    with pytest.raises((AssertionError, KeyError, IndexError, ValueError)):
        assert says(arrived)


def test_no_fault_is_left_out() -> None:
    assert {parse_fault(text)[0].name for text in CHECKS} | APART == set(FAULTS)


@on_the_reactor
async def test_a_refused_connection_is_refused(reactor: Any) -> None:
    async with misbehaving(reactor, "length-missing") as server:
        server.device.add_fault(Fault("refused"))
        await becomes(reactor, lambda: not server.listens)
        with pytest.raises(ConnectError, match="refused"):
            await ask(reactor, server)


@on_the_reactor
async def test_a_reset_connection_is_reset_before_a_byte(reactor: Any) -> None:
    async with misbehaving(reactor, "reset") as server:
        try:
            arrived = await fetch(reactor, server)
        except ConnectError:
            arrived = Arrived(end="reset")  # the reset was faster than the client's look at its new socket
    assert (arrived.raw, arrived.end) == (b"", "reset")


@pytest.mark.parametrize(("text", "bytes_of_body"), [("no-headers", 0), ("stall@777", 777), ("stall@0", 0)])
@on_the_reactor
async def test_a_silent_connection_stays_open(reactor: Any, text: str, bytes_of_body: int) -> None:
    async with misbehaving(reactor, text) as server:
        client = await ask(reactor, server, LOG)
        await becomes(reactor, lambda: len(server.device.requests) == 1)
        if text.startswith("stall"):
            await client.until(lambda it: b"\r\n\r\n" in it.raw and len(it.body) >= bytes_of_body)
        server.device.clear_faults()
        assert (await fetch(reactor, server, LOG)).body == TRACK
        assert (client.arrived.body, client.arrived.end) == (TRACK[:bytes_of_body], "open")
        await client.hang_up()


@on_the_reactor
async def test_a_log_that_was_never_finalised_has_no_end_no_bests_and_whole_blocks(reactor: Any) -> None:
    async with misbehaving(reactor, "not-finalised") as server:
        whole, broken = entries(await fetch(reactor, server, LISTING))
        arrived = await fetch(reactor, server, LOG)
    assert whole["end_date"]
    assert (broken["end_date"], broken["duration"], broken["2s_best"]) == (0, 0, 0)
    assert broken["size"] % 512 == 0
    assert len(arrived.body) == broken["size"] - 1024 < len(TRACK)
    assert arrived.body[36:56] == bytes(20)
    assert sealed(arrived.body[:512]) == arrived.body[:512]
    assert arrived.body[512:] == TRACK[512 : len(arrived.body)]


@on_the_reactor
async def test_an_empty_log_is_a_header_and_listed_so(reactor: Any) -> None:
    async with misbehaving(reactor, "empty-log") as server:
        for entry in entries(await fetch(reactor, server, LISTING)):
            assert (entry["size"], entry["duration"], entry["end_date"]) == (1536, 0, entry["start_date"])
        arrived = await fetch(reactor, server, LOG)
    assert len(arrived.body) == 512
    assert arrived.body[36:44] == arrived.body[16:24]
    assert is_sealed(arrived.body)


@on_the_reactor
async def test_a_bit_is_flipped_in_the_first_transfer_only_unless_it_always_is(reactor: Any) -> None:
    async with misbehaving(reactor, "flipped-bit") as server:
        transfers = [(await fetch(reactor, server, LOG)).body for _ in range(3)]
        assert [body == TRACK for body in transfers] == [False, True, True]
        server.device.add_fault(Fault("flipped-bit-always"))
        transfers = [(await fetch(reactor, server, LOG)).body for _ in range(3)]
        assert not any(body == TRACK for body in transfers)


@on_the_reactor
async def test_a_log_grows_between_listing_and_transfer_and_is_listed_so_afterwards(reactor: Any) -> None:
    async with misbehaving(reactor, "grown@10") as server:
        before = entries(await fetch(reactor, server, LISTING))[1]
        sent = (await fetch(reactor, server, LOG)).body
        after = entries(await fetch(reactor, server, LISTING))[1]
    assert before["size"] - 1024 == len(TRACK)
    assert after["size"] - 1024 == len(sent) == len(TRACK) + 520
    assert after["end_date"] == before["end_date"] + 2000


@on_the_reactor
async def test_a_huge_answer_streams_past_a_client_that_hangs_up(reactor: Any) -> None:
    async with misbehaving(reactor, "huge-json") as server:
        client = await ask(reactor, server, LISTING)
        arrived = await client.until(lambda it: len(it.body) > 100_000)
        assert arrived.lengths[0] > 199_000_000
        await client.hang_up()
        await becomes(reactor, lambda: server.device.open_connections == 0)


def test_no_evil_path_leads_anywhere() -> None:
    device = SimulatedDevice(601)
    device.add_fault(Fault("evil-paths"))
    for path in EVIL_PATHS:
        assert device.respond(b"GET", path.encode(), {}).status == 404
