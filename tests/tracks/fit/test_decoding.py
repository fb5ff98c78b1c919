from __future__ import annotations

import struct

import numpy as np
import pytest

from sse_twisted.tracks.fit.decoding import FitFormat, whole_to
from sse_twisted.tracks.fit.reading import read
from sse_twisted.tracks.format import Damage, Evidence, SpeedSource
from tests.tracks.voyages import START
from tests.tracks.written import FIT_EPOCH, fit, fit_around, fit_definition, points

FORM = FitFormat(read)
DATA = fit(points(20, rate=1))


def test_length_and_checksum_prove_a_file() -> None:
    track = FORM.decode(DATA)
    assert (track.evidence, track.speeds, track.integrity.whole) == (Evidence.PROVEN, SpeedSource.DOPPLER, True)
    assert (track.device.model, track.device.serial, track.device.lag) == ("COROS", "987654321", 3000)


def test_a_changed_byte_shows_though_all_records_can_be_read() -> None:
    changed = bytearray(DATA)
    changed[-5] ^= 1
    track = FORM.decode(bytes(changed))
    assert (track.evidence, len(track.fixes)) == (Evidence.AS_HANDED_IN, 20)
    what = "the checksum at the end does not match: bytes before it were changed"
    assert track.integrity.damages == (Damage(len(DATA) - 2, 2, what, hides_fixes=False),)


def test_a_cut_file_keeps_its_records_and_says_how_much_is_missing() -> None:
    track = FORM.decode(DATA[:-40])
    (damage,) = track.integrity.damages
    assert len(track.fixes) == 17
    assert damage.what == f"unreadable message: cut after {len(DATA) - 40:,} of {len(DATA):,} bytes"
    assert damage.offset + damage.length == len(DATA) - 40


@pytest.mark.parametrize("behind", [b"\0", b"\n" * 20, DATA[:12], DATA[:-1]])
def test_bytes_behind_the_end_are_damage(behind: bytes) -> None:
    integrity = FORM.decode(DATA + behind).integrity
    assert (integrity.whole, integrity.damages[0].offset >= len(DATA) - 2) == (False, True)


def test_a_chain_is_whole_up_to_its_last_whole_file() -> None:
    assert whole_to(DATA + DATA) == 2 * len(DATA)
    assert whole_to(DATA + DATA[:-1]) == len(DATA)
    assert whole_to(DATA[:-1]) == whole_to(b"") == whole_to(b"\x0e" * 30) == 0
    assert FORM.decode(DATA + fit(points(5, rate=1, start=START + 60_000))).integrity.whole


def record(*fields: tuple[int, int, int], local: int) -> bytes:
    return fit_definition(local, 20, ((253, 4, 0x86), *fields))


def test_places_and_speeds_of_different_records_are_joined() -> None:
    """As a Timex stores them; a record of a place alone has no speed, and is no fix."""
    body = record((0, 4, 0x85), (1, 4, 0x85), local=1) + record((6, 2, 0x84), local=2)
    start = START // 1000 - FIT_EPOCH
    for second in range(0, 40, 2):
        body += struct.pack("<BIii", 1, start + second, 600_000_000 + 1000 * second, -29_000_000)
        body += struct.pack("<BIH", 2, start + second + 1, 7000)
    fixes = FORM.decode(fit_around(body)).fixes
    assert fixes.fix is not None
    assert fixes.fix.tolist() == [0, 3] * 20
    assert np.isfinite(fixes.latitude).all()
    between = fixes.latitude[2:-1:2] + np.diff(fixes.latitude[2::2])[0] / 2
    assert fixes.latitude[3:-1:2] == pytest.approx(between[: len(fixes.latitude[3:-1:2])], abs=1e-6)


def test_a_speed_far_from_any_place_has_a_poorer_fix() -> None:
    body = record((0, 4, 0x85), (1, 4, 0x85), (6, 2, 0x84), local=1)
    start = START // 1000 - FIT_EPOCH
    nowhere = 0x7FFFFFFF
    for second, latitude in ((0, 600_000_000), (5, nowhere), (60, nowhere), (120, 600_001_000)):
        body += struct.pack("<BIiiH", 1, start + second, latitude, latitude, 7000)
    fix = FORM.decode(fit_around(body)).fixes.fix
    assert fix is not None
    assert fix.tolist() == [3, 3, 2, 3]


def test_without_any_place_there_is_no_fix() -> None:
    body = record((6, 2, 0x84), local=1) + struct.pack("<BIH", 1, START // 1000 - FIT_EPOCH, 7000)
    track = FORM.decode(fit_around(body))
    assert track.fixes.fix is not None
    assert track.fixes.fix.tolist() == [0]
    assert np.isnan(track.fixes.latitude).all()
    assert "1 of 1 records have no place" in track.remarks


def test_speeds_are_made_from_positions_if_no_record_has_one() -> None:
    body = record((0, 4, 0x85), (1, 4, 0x85), local=1)
    start = START // 1000 - FIT_EPOCH
    for second in range(20):
        body += struct.pack("<BIii", 1, start + second, 600_000_000 + 859 * second, -29_000_000)
    track = FORM.decode(fit_around(body))
    assert track.speeds is SpeedSource.POSITIONS
    assert track.fixes.speed == pytest.approx(np.full(20, 8006), abs=10)


def test_records_of_a_time_alone_are_no_fixes() -> None:
    body = record(local=1) + b"".join(struct.pack("<BI", 1, START // 1000 - FIT_EPOCH + n) for n in range(9))
    fixes = FORM.decode(fit_around(body)).fixes
    assert fixes.fix is not None
    assert fixes.fix.tolist() == fixes.speed.tolist() == [0] * 9


def test_records_without_speed_are_counted() -> None:
    body = record((6, 2, 0x84), local=1)
    for second, speed in enumerate((0xFFFF, 7000, 0xFFFF)):
        body += struct.pack("<BIH", 1, START // 1000 - FIT_EPOCH + second, speed)
    assert "2 of 3 records have no speed" in FORM.decode(fit_around(body)).remarks


def test_what_is_no_fit_is_not_handed_to_its_reader() -> None:
    def never(data: bytes) -> object:
        raise AssertionError("read")

    for data in (b"", b"PK" + bytes(100), b"\x0e" * 12, DATA[:11]):
        assert len(FitFormat(never).decode(data).fixes) == 0  # type: ignore[arg-type]
