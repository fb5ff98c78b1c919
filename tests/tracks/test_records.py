from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.tracks import records
from sse_twisted.tracks.format import Damage
from sse_twisted.tracks.records import BLOCK, DAMAGES_KEPT, collected, fletcher_holds, gathered
from sse_twisted.tracks.sbn import SbnVerifier
from sse_twisted.tracks.ubx import UbxVerifier
from tests.tracks.written import fletcher, points, pvt, sbn, ubx, ubx_frame


@given(st.binary(max_size=300), st.binary(max_size=20))
def test_the_sum_of_any_range_is_that_of_its_bytes(data: bytes, before: bytes) -> None:
    octets = np.frombuffer(before + data + fletcher(data) + b"?", np.uint8)
    start, stop = np.array([len(before)]), np.array([len(before) + len(data)])
    assert fletcher_holds(octets, start, stop).tolist() == [True]
    changed = octets.copy()
    changed[len(before) + len(data)] ^= 1
    assert fletcher_holds(changed, start, stop).tolist() == [False]


def test_a_file_of_several_blocks_is_read_like_a_small_one() -> None:
    fixes = points(9000)
    found, integrity = collected(UbxVerifier, ubx(fixes))
    assert len(ubx(fixes)) > 3 * BLOCK
    assert (integrity.whole, integrity.fixes) == (True, 9000)
    assert (np.diff(found.starts) == 100).all()


def test_damage_over_several_blocks_is_one() -> None:
    data = ubx(points(3)) + bytes(3 * BLOCK) + ubx(points(3))
    assert collected(UbxVerifier, data)[1].damages == (Damage(300, 3 * BLOCK, "bytes that are not frames"),)


def test_a_record_inside_a_sound_one_does_not_count() -> None:
    inner = pvt(points(1)[0])
    outer = ubx_frame(1, 0x35, inner + inner)
    assert collected(UbxVerifier, outer + ubx(points(2)))[1].fixes == 2
    broken = outer[:-1] + bytes([outer[-1] ^ 1])  # damaged, it hides nothing
    assert collected(UbxVerifier, broken + ubx(points(2)))[1].fixes == 4


def test_only_so_many_damages_are_kept() -> None:
    data = b"".join(pvt(point) + b"?" for point in points(DAMAGES_KEPT + 50))
    integrity = collected(UbxVerifier, data)[1]
    assert (integrity.damage_count, len(integrity.damages)) == (DAMAGES_KEPT + 50, DAMAGES_KEPT)


def test_records_behind_other_bytes_are_chance_unless_they_are_the_better_part() -> None:
    assert collected(UbxVerifier, bytes(5000) + ubx(points(5)))[1].kind == "unknown"
    assert collected(UbxVerifier, bytes(50) + ubx(points(5)))[1].kind == "ubx"
    assert len(collected(SbnVerifier, bytes(5000) + sbn(points(5)))[0].starts) == 0


def test_rows_are_gathered_from_wherever_they_stand() -> None:
    layout = np.dtype([("a", "<u2"), ("b", "u1")])
    data = bytes(range(30))
    for starts in ([0, 3, 6], [1, 5, 20], [27]):
        rows = gathered(data, np.array(starts), layout)
        assert rows["a"].tolist() == [start | (start + 1) << 8 for start in starts]
        assert rows["b"].tolist() == [start + 2 for start in starts]
    assert len(gathered(data, np.array([], np.int64), layout)) == 0


def test_behind_too_many_damages_nothing_is_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a file of 200 MB with a damage at every tenth byte would take minutes."""
    monkeypatch.setattr(records, "MAX_IRREGULAR", 20)
    data = b"".join(pvt(point) + b"?" for point in points(50))
    integrity = collected(UbxVerifier, data)[1]
    assert (integrity.fixes, integrity.damage_count) == (20, 21)
    assert integrity.damages[-1] == Damage(20 * 101, 30 * 101, "bytes that are not frames")
