from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sse_twisted.simulator.headers import fletcher
from sse_twisted.tracks.format import Best
from sse_twisted.tracks.oao.firmware import BESTS
from sse_twisted.tracks.oao.header import decode_header
from sse_twisted.tracks.oao.layout import HEADER_SIZE
from tests.tracks.voyages import small_track


def test_a_real_header_decodes(captures: Path) -> None:
    header = decode_header((captures / "0470_2022-07-16-1202.oao").read_bytes())
    assert (header.identifier, header.nickname, header.firmware) == (470, "K888", 3111)
    assert (header.start_date, header.end_date) == (1657972959800, 1657978026600)
    assert (header.distance, header.max_speed, header.timezone, header.frequency) == (26956899, 11765, 0, 5)
    assert header.bests["2s"][:2] == (Best(1657974753, 11604), Best(1657973267, 11406))
    assert header.bests["1h"] == (Best(1657976615, 6622),)
    assert [len(header.bests[name]) for name in BESTS] == [5, 5, 5, 5, 5, 1, 4]


def test_the_header_of_an_esp_logger_is_almost_empty(captures: Path) -> None:
    header = decode_header((captures / "esp_Head_L_007.oao").read_bytes())
    assert (header.identifier, header.firmware, header.nickname) == (987, 0, "")
    assert set(header.bests.values()) == {()}


def test_headers_say_what_the_device_lists(captures: Path) -> None:
    keys = {"2s": "2s_best", "10s": "10s_best", "500m": "500m_best", "1852m": "1852m_best", "1h": "1h_best"}
    keys["alpha500"] = "a500m_best"
    compared = 0
    for path in captures.glob("tracks/*_2022-*.oao"):
        header = decode_header(path.read_bytes())
        listing = captures / f"event-2022/motions/motion-{header.identifier}/logs.json"
        logs = json.loads(listing.read_text())["logs"]
        log: dict[str, Any] = next(log for log in logs if log["start_date"] == header.start_date)
        assert (log["end_date"], log["distance"], log["timezone"]) == (
            header.end_date,
            header.distance,
            header.timezone,
        )
        first = {name: next((best.value for best in header.bests[name]), 0) for name in keys}
        assert first == {name: log[key] for name, key in keys.items()}
        compared += 1
    assert compared == 6


def test_too_few_bytes_are_no_header() -> None:
    with pytest.raises(ValueError, match="511 bytes"):
        decode_header(small_track()[: HEADER_SIZE - 1])


def test_another_mode_is_no_header() -> None:
    with pytest.raises(ValueError, match="0x0AD5"):
        decode_header(b"\xd5\x0a" + small_track()[2:])


def test_a_wrong_checksum_is_no_header() -> None:
    track = bytearray(small_track())
    track[40] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        decode_header(track)


def test_a_nickname_of_any_bytes_is_text() -> None:
    track = bytearray(small_track())
    track[6:16] = b"Zo\xc3\xab\0\xffrest"
    track[2:4] = fletcher(track[:HEADER_SIZE])
    assert decode_header(track).nickname == "Zoë"
    track[6:16] = b"\xff" * 10
    track[2:4] = fletcher(track[:HEADER_SIZE])
    assert decode_header(track).nickname == "\ufffd" * 10
