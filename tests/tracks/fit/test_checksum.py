from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.tracks.fit.checksum import crc16

# Of the protocol's own program, which takes half a byte at a time.
NIBBLES = (
    *(0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401),
    *(0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400),
)


def by_nibble(data: bytes) -> int:
    total = 0
    for octet in data:
        for half in (octet & 15, octet >> 4):
            total = (total >> 4) ^ NIBBLES[total & 15] ^ NIBBLES[half]
    return total


@given(st.binary(max_size=3000))
def test_it_is_that_of_the_protocol(data: bytes) -> None:
    assert crc16(data) == by_nibble(data)
    assert crc16(data + crc16(data).to_bytes(2, "little")) == 0


def test_the_usual_check_value_is_right() -> None:
    assert crc16(b"123456789") == 0xBB3D


def test_no_bytes_have_the_checksum_0() -> None:
    assert crc16(b"") == 0
