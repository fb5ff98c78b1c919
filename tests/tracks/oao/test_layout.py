from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_twisted.simulator.headers import fletcher
from sse_twisted.tracks.oao.layout import FRAME, FRAME_SIZE, HEADER, HEADER_SIZE, checksums, sums_hold

# The first frame of a real track of firmware 3129.
REAL_FRAME = bytes.fromhex(
    "d50ab7079fb1261e9a0e87fe11040000920300002b833201480ce05a8301000003102101000004050000b10600000d0622005000"
)


def literal_fletcher(frame: bytes) -> tuple[int, int]:
    a = b = 0
    for x in frame[:2] + frame[4:]:
        a = (a + x) & 255
        b = (b + a) & 255
    return a, b


def test_the_records_have_the_sizes_of_the_format() -> None:
    assert FRAME.itemsize == FRAME_SIZE == len(REAL_FRAME)
    assert HEADER.itemsize == HEADER_SIZE


@pytest.mark.parametrize(
    ("field", "offset"),
    [
        ("start_date", 16),
        ("end_date", 36),
        ("distance", 56),
        ("minimum", 60),
        ("maximum", 76),
        ("1s", 100),
        ("10s", 140),
        ("1h", 180),
        ("500m", 220),
        ("alpha500", 260),
        ("1852m", 300),
        ("elevation_gain", 380),
        ("2s", 384),
        ("firmware", 424),
        ("timezone", 426),
        ("frequency", 428),
        ("signature", 448),
    ],
)
def test_a_field_of_the_header_is_where_real_files_have_it(field: str, offset: int) -> None:
    fields = HEADER.fields
    assert fields is not None
    assert fields[field][1] == offset


def test_a_real_frame_decodes() -> None:
    frame = np.frombuffer(REAL_FRAME, FRAME)[0]
    assert (frame["latitude"], frame["longitude"], frame["altitude"]) == (505852319, -24703334, 1041)
    assert (frame["speed"], frame["heading"], frame["utc"]) == (914, 20087595, 1663676976200)
    assert (frame["fix"], frame["satellites"], frame["hdop"]) == (3, 16, 80)
    assert (frame["speed_accuracy"], frame["heading_accuracy"]) == (289, 2229773)
    assert (frame["horizontal_accuracy"], frame["vertical_accuracy"]) == (1284, 1713)


def test_the_checksum_of_a_real_frame() -> None:
    assert fletcher(REAL_FRAME) == (0xB7, 0x07)
    assert sums_hold(np.frombuffer(REAL_FRAME, np.uint8).reshape(1, -1)).tolist() == [True]


def test_the_checksum_of_the_header_of_an_esp_logger() -> None:
    header = bytes.fromhex("d00ab8c7db03") + bytes(HEADER_SIZE - 6)
    assert fletcher(header) == (0xB8, 0xC7)
    assert sums_hold(np.frombuffer(header, np.uint8).reshape(1, -1)).tolist() == [True]


@settings(deadline=None)
@given(st.binary(min_size=5, max_size=1100))
def test_the_checksum_is_that_of_a_loop_over_the_bytes(frame: bytes) -> None:
    assert fletcher(frame) == literal_fletcher(frame)
    sealed = frame[:2] + bytes(literal_fletcher(frame)) + frame[4:]
    rows = np.frombuffer(sealed, np.uint8).reshape(1, -1)
    assert sums_hold(rows).all()
    assert checksums(rows).tobytes() == sealed[2:4]


@pytest.mark.parametrize("length", [FRAME_SIZE, HEADER_SIZE, 1024])
def test_the_largest_bytes_are_summed_exactly(length: int) -> None:
    frame = b"\xff" * length
    assert fletcher(frame) == literal_fletcher(frame)


def test_frames_begin_behind_the_header(captures: Path) -> None:
    data = (captures / "0470_2022-09-20-1229.oao").read_bytes()
    assert data[HEADER_SIZE : HEADER_SIZE + FRAME_SIZE] == REAL_FRAME
