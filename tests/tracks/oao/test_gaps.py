from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.tracks.oao.gaps import Gap
from sse_twisted.tracks.oao.layout import FRAME_SIZE
from tests.tracks.oao.frames import TRACK, at, sealed


def gap(data: bytes, offset: int = at(5), size: int = 4096) -> Gap:
    """A gap with these bytes, which arrive in pieces of a size."""
    found = Gap(offset)
    for start in range(0, len(data), size):
        found.extend(np.frombuffer(data[start : start + size], np.uint8))
    return found


@pytest.mark.parametrize("length", [5, 20, 52, 60, 104, 1024])
@pytest.mark.parametrize("size", [1, 37, 4096])
def test_frames_of_one_unknown_mode_are_intact_however_they_arrive(length: int, size: int) -> None:
    for count in (1, 2, 7, 50):
        data = b"".join(sealed(0x0ADF, length, payload) for payload in range(count))
        assert gap(data, size=size).intact_frames() == count
        assert gap(data, size=size).length == len(data)


@pytest.mark.parametrize(
    "strange",
    [
        b"",
        b"\xdf",
        sealed(0x0ADF, 60)[:-1],
        sealed(0x0ADF, 60) + sealed(0x0ADF, 61),
        sealed(0x0ADF, 60) + sealed(0x0ADE, 60),
        sealed(0x0ADF, 60) + sealed(0x0ADF, 60)[:-1] + b"\0",
        sealed(0x0ADF, 1100),
        sealed(0x0BDF, 60),
        sealed(0x0AD0, 512),
        sealed(0x0AD4, 52),
    ],
    ids=["none", "one", "cut", "two lengths", "two modes", "damaged", "too long", "family", "header", "known"],
)
def test_other_bytes_are_damage(strange: bytes) -> None:
    for size in (1, 50, 4096):
        assert gap(strange, size=size).intact_frames() == 0


def test_bytes_in_the_place_of_the_header_are_damage() -> None:
    assert gap(sealed(0x0ADF, 60), offset=0).intact_frames() == 0


@given(st.integers(0, 179), st.integers(0, 7), st.sampled_from([1, 37, 4096]))
def test_a_flipped_bit_makes_damage_of_all_frames(place: int, bit: int, size: int) -> None:
    data = bytearray(b"".join(sealed(0x0ADF, 60, payload) for payload in range(3)))
    data[place] ^= 1 << bit
    assert gap(bytes(data), size=size).intact_frames() == 0


@pytest.mark.parametrize(
    ("data", "offset", "at_end", "what"),
    [
        (TRACK[:100], 0, True, "cut inside the header"),
        (TRACK[:100], 0, False, "damaged header"),
        (bytes(512), 0, True, "damaged header"),
        (TRACK[at(1) : at(1) + 1], at(1), True, "cut inside a frame"),
        (TRACK[at(1) : at(2) - 1], at(1), True, "cut inside a frame"),
        (TRACK[at(1) : at(2) - 1], at(1), False, "bytes that are not frames"),
        (b"??", at(1), True, "bytes that are not frames"),
        (bytes(FRAME_SIZE), at(1), True, "damaged frame"),
        (bytes(2000 * FRAME_SIZE), at(1), False, "2,000 damaged frames"),
        (bytes(2 * FRAME_SIZE + 1), at(1), False, "bytes that are not frames"),
    ],
)
def test_damage_is_described(data: bytes, offset: int, at_end: bool, what: str) -> None:
    assert gap(data, offset).describe(at_end=at_end) == what
