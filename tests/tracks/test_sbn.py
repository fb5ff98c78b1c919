from __future__ import annotations

import pytest

from sse_twisted.tracks.format import Damage
from sse_twisted.tracks.sbn import SbnFormat
from tests.tracks.voyages import START
from tests.tracks.written import Point, message_41, points, sbn, sirf, text

FORM = SbnFormat()
# Of a real GT-31: 2022-04-11T10:16:22.000Z.
VECTOR = bytes.fromhex(
    "a0a2006129000002 04089d 075aef40 07e6 04 0b 0a 10 55f0 d1200020 1e248885 fe893046 00001528 00000216 15 0017 7f82"
    "0000 0000 0000 00000073 000000c2 00000000 0000 0277fa0b 00000000 001bca03 00000000 00000000 0000 0000 06 07 00"
    "0017 7f82 15 14 0f87 b0b3"
)


def test_a_message_of_a_real_logger_is_decoded() -> None:
    fixes = FORM.decode(VECTOR).fixes
    assert fixes.time.tolist() == [1_649_672_182_000]
    assert (fixes.latitude[0], fixes.longitude[0]) == (50.5710725, -2.4563642)
    columns = (fixes.speed, fixes.course, fixes.satellites, fixes.hdop, fixes.speed_error, fixes.horizontal_error)
    assert [None if column is None else int(column[0]) for column in columns] == [*(230, 32_642_000, 6, 140, 210, 1150)]


def test_the_text_at_the_start_names_model_owner_and_serial() -> None:
    device = FORM.decode(sbn(points(3))).device
    assert (device.model, device.owner, device.serial, device.lag) == ("GT-31", "ABC115", "932000000", 1000)


@pytest.mark.parametrize(("length", "error"), [(91, None), (95, None), (97, 250), (120, 250)])
def test_messages_of_several_lengths_are_read(length: int, error: int | None) -> None:
    track = FORM.decode(sirf(text()) + b"".join(message_41(point, length) for point in points(4)))
    assert (track.integrity.whole, len(track.fixes)) == (True, 4)
    assert (None if track.fixes.speed_error is None else track.fixes.speed_error[0]) == error


def test_a_fix_that_is_not_valid_is_none() -> None:
    fix = FORM.decode(sirf(text()) + message_41(Point(START), valid=4) + message_41(Point(START + 1000))).fixes.fix
    assert fix is not None
    assert fix.tolist() == [0, 3]


def test_visible_satellites_are_skipped_and_other_messages_are_unknown() -> None:
    integrity = FORM.decode(sbn(points(3)) + sirf(b"\x0d" + bytes(20)) + sirf(b"\x07" + bytes(19))).integrity
    assert (integrity.whole, integrity.fixes, integrity.unknown) == (True, 3, 1)


def test_damage_costs_the_messages_that_it_touches() -> None:
    start = len(sbn([]))
    data = bytearray(sbn(points(6)))
    data[start + 105 * 2 + 50] ^= 1
    assert FORM.decode(bytes(data)).integrity.damages == (Damage(start + 210, 105, "damaged message"),)
    assert FORM.decode(bytes(data[:-1])).integrity.damage_count == 2


def test_a_cut_between_two_messages_is_not_seen() -> None:
    assert FORM.decode(sbn(points(6))[:-105]).integrity.whole
