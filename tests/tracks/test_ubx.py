from __future__ import annotations

import struct

import pytest
from attrs import evolve

from sse_twisted.tracks.format import NO_HDOP, Damage
from sse_twisted.tracks.ubx import UbxFormat
from tests.tracks.voyages import START
from tests.tracks.written import Point, points, pvt, ubx, ubx_frame

FORM = UbxFormat()
# Made from a fix of a real ESP logger: 2021-12-30T11:47:44.300Z.
VECTOR = bytes.fromhex(
    "b56201075c007caa2117e5070c1e0b2f2c371e00000000a3e1110301ea0d23836f02981fd21e78d60000c8220000e10300005c040000000000"
    "00000000000000000016000000d5602b01ab0000007cf2300084000000000000000000000000000000a179"
)


def dop(point: Point, hdop: int) -> bytes:
    payload = bytearray(18)
    struct.pack_into("<I", payload, 0, point.time % 604_800_000)
    struct.pack_into("<H", payload, 12, hdop)
    return ubx_frame(1, 4, bytes(payload))


def test_a_fix_of_a_real_logger_is_decoded() -> None:
    fixes = FORM.decode(VECTOR).fixes
    assert fixes.time.tolist() == [1_640_864_864_300]
    assert (fixes.latitude[0], fixes.longitude[0]) == (51.7087128, 4.0862499)
    columns = (fixes.speed, fixes.speed_error, fixes.satellites, fixes.fix, fixes.hdop, fixes.altitude)
    assert [None if column is None else int(column[0]) for column in columns] == [22, 171, 13, 3, 132, 8904]


def test_nanoseconds_may_be_negative() -> None:
    at = Point(START + 5000)
    for nano, expected in ((-1_000_000, START + 4999), (-400, START + 5000), (200_000_400, START + 5200)):
        assert FORM.decode(pvt(at, nano=nano) + pvt(at)).fixes.time[0] == expected


def test_the_hdop_is_that_of_the_same_time_otherwise_the_pdop() -> None:
    one, two, three = points(3)
    none = evolve(three, hdop=9999)
    hdop = FORM.decode(pvt(one) + dop(one, 77) + pvt(two) + pvt(none)).fixes.hdop
    assert hdop is not None
    assert hdop.tolist() == [77, 140, NO_HDOP]


def test_frames_of_old_receivers_are_shorter() -> None:
    track = FORM.decode(b"".join(pvt(point, length=84) for point in points(5)))
    assert (track.integrity.whole, track.integrity.fixes) == (True, 5)


def test_a_fix_without_a_time_is_none() -> None:
    late, *others = points(5)
    track = FORM.decode(pvt(late, valid=0x30) + ubx(others))
    assert (track.integrity.whole, track.integrity.fixes, track.integrity.unknown) == (True, 4, 0)


def test_a_fix_that_the_receiver_calls_invalid_is_none() -> None:
    fix = FORM.decode(pvt(Point(START), flags=0) + pvt(Point(START + 200))).fixes.fix
    assert fix is not None
    assert fix.tolist() == [0, 3]


def test_other_messages_of_navigation_are_skipped_and_others_are_unknown() -> None:
    satellites, raw = ubx_frame(1, 0x35, bytes(8 + 12 * 30)), ubx_frame(2, 0x15, bytes(300))
    track = FORM.decode(ubx(points(5)) + satellites + raw + ubx(points(5, start=START + 1000)))
    assert (track.integrity.whole, track.integrity.fixes, track.integrity.unknown) == (True, 10, 1)


def test_damage_costs_the_frames_that_it_touches() -> None:
    data = bytearray(ubx(points(10)))
    data[330] ^= 4
    track = FORM.decode(bytes(data[:750] + data[790:]))
    assert track.integrity.damages == (
        Damage(300, 100, "damaged frame"),
        Damage(700, 60, "bytes that are not frames"),
    )
    assert track.fixes.time.tolist() == [START + n * 200 for n in (0, 1, 2, 4, 5, 6, 8, 9)]


@pytest.mark.parametrize("length", [0xFFFF, 8193, 5000])
def test_a_frame_that_claims_to_be_long_hides_no_others(length: int) -> None:
    data = ubx(points(3)) + b"\xb5\x62\x01\x07" + struct.pack("<H", length) + ubx(points(30, start=START + 600))
    assert len(FORM.decode(data).fixes) == 33
