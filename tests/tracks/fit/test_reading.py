from __future__ import annotations

import struct
import subprocess
import sys

import pytest

from sse_twisted.tracks.fit import reading
from sse_twisted.tracks.fit.reading import COLUMNS, NONE, read
from tests.tracks.voyages import START
from tests.tracks.written import FIT_EPOCH, fit, fit_around, fit_definition, points

# A record of a real COROS watch with its header byte (the heart rate is set to "invalid"), and its definition.
VECTOR = bytes.fromhex("00ecb7b63c799df723d92840fe280b0400ff871c2baf0400000d000000cdcc4c3fb4000000")
TIME = 1_649_673_196  # 2022-04-11T10:33:16Z


def values(data: bytes, name: str) -> list[int | None]:
    return [None if value == NONE else value for value in read(data).columns[name]]


def test_a_record_of_a_real_watch_is_read() -> None:
    fields = ((253, 4, 0x86), (0, 4, 0x85), (1, 4, 0x85), (5, 4, 0x86), (3, 1, 0x02), (6, 2, 0x84), (42, 1, 0x02))
    developer = bytes([4, 15, 4, 0, 12, 4, 0, 13, 4, 0, 14, 4, 0])
    described = fit_definition(1, 207, ((3, 1, 0x02),)) + b"\x01\x00"
    for number, kind, name in ((15, 0x86, b"idx"), (12, 0x86, b"Sat"), (13, 0x88, b"hdop"), (14, 0x86, b"cog")):
        described += fit_definition(2, 206, ((0, 1, 0x02), (1, 1, 0x02), (2, 1, 0x02), (3, 8, 0x07)))
        described += b"\x02\x00" + bytes([number, kind]) + name.ljust(8, b"\0")
    definition = bytearray(fit_definition(0, 20, fields))
    definition[0] |= 0x20
    data = fit_around(described + bytes(definition) + developer + VECTOR)
    assert read(data).problem == ""
    assert values(data, "time") == [TIME]
    assert values(data, "speed") == [7303]
    assert [values(data, name) for name in ("satellites", "hdop", "course")] == [[13], [80], [18_000_000]]
    assert values(data, "latitude") == [0x23F79D79]


def test_a_speed_of_16_bits_may_be_invalid() -> None:
    body = fit_definition(1, 20, ((253, 4, 0x86), (6, 2, 0x84)))
    for second, speed in ((0, 7000), (1, 0xFFFF)):
        body += struct.pack("<BIH", 1, TIME - FIT_EPOCH + second, speed)
    assert values(fit_around(body), "speed") == [7000, None]


def test_an_enhanced_speed_comes_first() -> None:
    body = fit_definition(1, 20, ((253, 4, 0x86), (6, 2, 0x84), (73, 4, 0x86)))
    body += struct.pack("<BIHI", 1, TIME - FIT_EPOCH, 7000, 70_000)
    assert values(fit_around(body), "speed") == [70_000]


def test_a_definition_may_be_big_endian() -> None:
    body = fit_definition(1, 20, ((253, 4, 0x86), (6, 2, 0x84)), ">") + struct.pack(">BIH", 1, TIME - FIT_EPOCH, 7000)
    assert (values(fit_around(body), "time"), values(fit_around(body), "speed")) == ([TIME], [7000])


def test_a_timestamp_may_be_compressed() -> None:
    body = fit_definition(1, 20, ((253, 4, 0x86),)) + struct.pack("<BI", 1, TIME - FIT_EPOCH)
    body += fit_definition(2, 20, ((6, 2, 0x84),))
    second = (TIME - FIT_EPOCH + 3) & 31
    body += struct.pack("<BH", 0x80 | 2 << 5 | second, 6500)
    assert values(fit_around(body), "time") == [TIME, TIME + 3]
    assert values(fit_around(body), "speed") == [None, 6500]


def test_several_files_may_be_chained() -> None:
    assert len(read(fit(points(5, rate=1)) + fit(points(6, rate=1, start=START + 9000))).columns["time"]) == 11


def test_the_maker_and_the_serial_number_are_told_apart() -> None:
    found = read(fit(points(3, rate=1)))
    assert (found.maker, found.model, found.serial) == ("COROS", "", "987654321")


@pytest.mark.parametrize("cut", [1, 2, 3, 30, 61])
def test_a_cut_file_keeps_what_came_before(cut: int) -> None:
    data = fit(points(10, rate=1))
    found = read(data[:-cut])
    assert found.problem == "unreadable message"
    assert len(found.columns["time"]) >= 6
    assert found.sound_to <= len(data) - cut


def test_a_broken_definition_ends_the_reading() -> None:
    broken = fit_definition(3, 20, ((253, 200, 0x86),) * 250)
    data = fit_around(fit(points(5, rate=1))[14:-2] + broken + b"\x03" + bytes(40))
    found = read(data)
    assert found.problem == "unreadable message"
    assert len(found.columns["time"]) == 5


def test_reading_ends_when_it_takes_too_long() -> None:
    found = read(fit(points(50, rate=1)), max_seconds=-1.0)
    assert found.problem == "not read within -1 s of CPU time"
    assert len(found.columns["time"]) < 50


def test_reading_ends_at_a_number_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_RECORDS", 5)
    found = read(fit(points(50, rate=1)))
    assert (found.problem, len(found.columns["time"])) == ("more than 5 records", 5)


def test_columns_are_of_one_length_whatever_the_bytes_are() -> None:
    data = fit(points(8, rate=1))
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        found = read(bytes(changed))
        assert len({len(found.columns[name]) for name in COLUMNS}) == 1


def test_the_program_starts_without_the_library() -> None:
    code = "import sys, sse_twisted.daemon.assembly, sse_twisted.tracks.command; print('fitdecode' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"
