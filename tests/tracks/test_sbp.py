from __future__ import annotations

import numpy as np
import pytest

from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.format import ESP_RULES, UNFILTERED, Damage
from sse_twisted.tracks.sbp import SbpFormat
from tests.tracks.voyages import START
from tests.tracks.written import ESP_BLOCK, Point, locosys_block, points, sbp, sbp_record, text

FORM = SbpFormat()
# Of a real GW-60, and of a real ESP logger.
GW_60 = bytes.fromhex("0708483f50ad1643020820d32167251ee88988fe98000000e206a184f4ff3b19")
ESP = bytes.fromhex("0218f06e9cb1fc45ffffff00a956d11e2ab06f0282ffffff6007fe0155ff1a18")
GW_60_BLOCK = bytes.fromhex("2200a0a2001afd52412c3136383030303030302c322c56312e334130393236420641b0b3").ljust(
    64, b"\xff"
)


def test_a_record_of_a_real_gw_60_is_decoded() -> None:
    track = FORM.decode(GW_60_BLOCK + GW_60)
    fixes = track.fixes
    assert fixes.time.tolist() == [int(np.datetime64("2022-04-11T10:53:16.200", "ms").astype(np.int64))]
    assert (fixes.latitude[0], fixes.longitude[0]) == (50.5767713, -2.4606232)
    columns = (fixes.speed, fixes.course, fixes.satellites, fixes.hdop, fixes.speed_error)
    assert [None if column is None else int(column[0]) for column in columns] == [17_620, 33_953_000, 8, 140, 590]
    assert (track.device.model, track.device.owner, track.device.serial) == ("GW-60", "RA", "168000000")
    assert (track.rules, track.remarks) == (UNFILTERED, ())


def test_a_record_of_a_real_esp_logger_is_decoded() -> None:
    track = FORM.decode(ESP_BLOCK + ESP)
    assert track.fixes.time.tolist() == [int(np.datetime64("2023-03-30T11:06:28.400", "ms").astype(np.int64))]
    assert (track.fixes.speed[0], track.device.model, track.device.serial) == (18_880, "ESP-GPS", "")
    assert (track.rules, track.remarks) == (ESP_RULES, ())


def test_a_wrong_checksum_of_the_header_is_a_remark_and_no_damage() -> None:
    """Users write another name into it."""
    block = locosys_block().replace(b"ABC115", b"XYZ115")
    track = FORM.decode(sbp(points(5), block))
    assert (track.integrity.whole, track.device.owner) == (True, "XYZ115")
    assert track.remarks == ("its header has a wrong checksum",)


def test_the_header_may_be_missing() -> None:
    data = sbp(points(10), b"")
    assert FORM.recognises(data[:512])
    assert (FORM.decode(data).integrity.whole, len(FORM.decode(data).fixes)) == (True, 10)
    assert not FORM.recognises(data[1:513])


def test_the_milliseconds_count_where_the_packed_second_differs() -> None:
    """The packed second of a GT-11 is one too large in most records, also at the end of a minute."""
    at = START + 59_500
    later = Point(at + 60_000 - 59_500)  # the packed minute is the next one
    record = bytearray(sbp_record(later, second=0))
    record[2:4] = (59_500).to_bytes(2, "little")
    for data in (sbp_record(Point(at), second=60), bytes(record)):
        assert FORM.decode(sbp([], locosys_block()) + data).fixes.time.tolist() == [at]


def test_a_gt_11_has_flags_where_others_have_accuracies() -> None:
    records = [bytearray(sbp_record(point)) for point in points(5)]
    for at, record in enumerate(records):
        record[30:32] = bytes([at % 2, 0])
    assert FORM.decode(sbp([]) + b"".join(records)).fixes.speed_error is None
    assert FORM.decode(sbp(points(5))).fixes.speed_error is not None


@pytest.mark.parametrize("trailer", [b"\n", b"\xff" * 32, b"\xff" * 3200, b"\xff" * 64 + b"\n"])
def test_what_a_gt_11_writes_behind_the_last_record_is_harmless(trailer: bytes) -> None:
    integrity = FORM.decode(sbp(points(5)) + trailer).integrity
    assert (integrity.whole, integrity.trailer, integrity.fixes) == (True, trailer, 5)


def test_a_record_that_cannot_be_is_damage() -> None:
    data = bytearray(sbp(points(10)))
    at = 64 + 32 * 4
    data[at + 12 : at + 16] = (950_000_000).to_bytes(4, "little")
    assert FORM.decode(bytes(data)).integrity.damages == (Damage(at, 32, "damaged record"),)


@pytest.mark.parametrize("shift", [-5, 7, 31])
def test_records_behind_lost_or_added_bytes_are_found(shift: int) -> None:
    data = sbp(points(40))
    at = 64 + 32 * 9 + 3
    changed = data[:at] + (bytes(shift) + data[at:] if shift > 0 else data[at - shift :])
    track = FORM.decode(changed)
    assert track.integrity.damage_count == 1
    assert len(track.fixes) >= 38
    assert track.fixes.time.tolist()[-20:] == [point.time for point in points(40)[-20:]]


def test_a_cut_record_is_damage() -> None:
    data = sbp(points(10))
    assert FORM.decode(data[:-3]).integrity.damages == (Damage(len(data) - 32, 29, "cut inside a record"),)


def test_the_name_of_a_model_is_known_by_the_serial_number() -> None:
    for serial, model in (("1000000", "GT-11"), ("133000000", "GT-31"), ("155000000", "GW-52"), ("7", "")):
        assert FORM.decode(sbp(points(2), locosys_block(text("A", serial)))).device.model == model


def test_a_leap_second_is_counted_in_the_next_minute() -> None:
    record = bytearray(sbp_record(Point(START)))
    record[2:4] = (60_200).to_bytes(2, "little")
    record[4:8] = (int.from_bytes(record[4:8], "little") | 60).to_bytes(4, "little")
    assert FORM.decode(sbp([]) + bytes(record)).fixes.time.tolist() == [START + 60_200]


def test_a_clock_that_goes_back_is_remarked() -> None:
    data = sbp([*points(10, rate=1), *points(10, rate=1, start=START + 3000)])
    assert any(remark.startswith("time goes back by 6.0 s at byte 384") for remark in analyse(data).remarks)
