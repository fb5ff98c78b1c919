from __future__ import annotations

import struct

import pytest

from sse_twisted.tracks.format import Damage
from sse_twisted.tracks.gpy import GpyFormat
from tests.tracks.written import fletcher, gpy, gpy_compressed, gpy_full, gpy_header, points

FORM = GpyFormat()
# Of a real file: a full record and the compressed one behind it.
FULL = bytes.fromhex("e000d10148cb6bd77f010000a50000009a000000291a751010b301c690820a0108034011")
COMPRESSED = bytes.fromhex("d000d1016400fcff00000400120000000803229b")


def test_records_of_a_real_file_are_decoded() -> None:
    fixes = FORM.decode(FULL + COMPRESSED).fixes
    assert fixes.time.tolist() == [1_648_586_640_200, 1_648_586_640_300]
    assert (fixes.latitude[0], fixes.longitude[0]) == (27.6109865, -97.2967152)
    assert fixes.speed.tolist() == [165, 161]
    columns = (fixes.course, fixes.speed_error, fixes.satellites, fixes.fix, fixes.hdop)
    assert [None if column is None else int(column[0]) for column in columns] == [17_466_000, 154, 8, 3, 465]


def test_the_header_names_the_device() -> None:
    device = FORM.decode(gpy(points(3))).device
    assert (device.model, device.owner, device.serial) == ("u-blox ESP-GPS", "Head", "0A0B0C0D0E0F")


def test_a_file_may_begin_without_header_or_have_several() -> None:
    fixes = points(20)
    assert FORM.recognises(gpy(fixes)[72:])
    assert FORM.decode(gpy(fixes)[72:]).integrity.whole
    assert len(FORM.decode(gpy(fixes) + gpy_header() + gpy(points(5))[72:]).fixes) == 25


def test_records_of_an_unknown_kind_are_skipped() -> None:
    body = b"\x10\x00" + struct.pack("<H", 30) + bytes(24)
    unknown = body + fletcher(body)
    data = gpy(points(10)) + unknown * 3 + gpy(points(10))[72:] + unknown
    integrity = FORM.decode(data).integrity
    assert (integrity.whole, integrity.fixes, integrity.unknown) == (True, 20, 4)


def test_a_damaged_compressed_record_costs_itself() -> None:
    data = bytearray(gpy(points(20)))
    at = 72 + 36 + 20 * 3
    data[at + 9] ^= 1
    track = FORM.decode(bytes(data))
    assert track.integrity.damages == (Damage(at, 20, "damaged record"),)
    assert len(track.fixes) == 19


def test_a_damaged_full_record_costs_those_that_refer_to_it() -> None:
    data = bytearray(gpy(points(30)))
    at = 72 + 36 + 20 * 9
    data[at + 20] ^= 1
    track = FORM.decode(bytes(data))
    assert track.integrity.damages == (
        Damage(at, 36, "damaged record"),
        Damage(at + 36, 180, "records whose full record is lost"),
    )
    assert track.fixes.time.tolist() == [point.time for point in (*points(30)[:10], *points(30)[20:])]


@pytest.mark.parametrize(("changed", "lost"), [(20, 2), (21, 10)])
def test_two_damaged_compressed_records_cost_no_more_unless_one_can_have_been_full(changed: int, lost: int) -> None:
    """Forty bytes have room for a full record; their kinds tell that they were none."""
    fixes = points(10)
    data = bytearray(gpy(fixes))
    first = 72 + 36
    for at in (first + 5, first + changed + 4):
        data[at] ^= 1
    if lost > 2:
        data[first] = 0xE0
    assert len(FORM.decode(bytes(data)).fixes) == (10 - lost if lost == 2 else 1)


def test_compressed_records_before_the_first_full_one_are_lost() -> None:
    one, two = points(2)
    track = FORM.decode(gpy_header() + gpy_compressed(two, one) + gpy_full(two))
    assert track.integrity.damages == (Damage(72, 20, "records whose full record is lost"),)
    assert track.fixes.time.tolist() == [two.time]
