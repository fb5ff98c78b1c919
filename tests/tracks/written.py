"""Small files of each format, written field by field as their descriptions say, from the same fixes."""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Sequence

from attrs import frozen

from sse_twisted.tracks.fit.checksum import crc16
from tests.tracks.voyages import START


@frozen
class Point:
    """One fix: ms UTC, 1e-7 degrees, mm/s, 1e-5 degrees."""

    time: int
    latitude: int = 505_800_000
    longitude: int = -24_700_000
    speed: int = 8000
    course: int = 9_000_000
    satellites: int = 9
    speed_error: int = 250  # mm/s
    hdop: int = 140  # 0.01

    @property
    def date(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.time // 1000, dt.UTC)


def points(count: int = 40, rate: int = 5, start: int = START) -> list[Point]:
    """A straight way to the north at about 8 m/s."""
    return [
        Point(start + n * 1000 // rate, 505_800_000 + 720 * n // rate, speed=8000 + 10 * (n % 9)) for n in range(count)
    ]


def fletcher(data: bytes) -> bytes:
    first = second = 0
    for octet in data:
        first = (first + octet) & 255
        second = (second + first) & 255
    return bytes([first, second])


def ubx_frame(kind: int, number: int, payload: bytes) -> bytes:
    body = bytes([kind, number]) + struct.pack("<H", len(payload)) + payload
    return b"\xb5\x62" + body + fletcher(body)


def pvt(point: Point, length: int = 92, valid: int = 0x37, nano: int | None = None, flags: int = 1) -> bytes:
    """NAV-PVT."""
    date = point.date
    payload = bytearray(length)
    struct.pack_into("<IHBBBBBB", payload, 0, point.time % 604_800_000, date.year, date.month, date.day, date.hour,
                     date.minute, date.second, valid)  # fmt: skip
    nanoseconds = point.time % 1000 * 1_000_000 if nano is None else nano
    struct.pack_into("<iBBBB", payload, 16, nanoseconds, 3, flags, 0, point.satellites)
    struct.pack_into("<iiii", payload, 24, point.longitude, point.latitude, 60_000, 12_000)
    struct.pack_into("<II", payload, 40, 1200, 1500)
    struct.pack_into("<iiII", payload, 60, point.speed, point.course, point.speed_error, 50_000)
    struct.pack_into("<H", payload, 76, point.hdop)
    return ubx_frame(1, 7, bytes(payload))


def ubx(fixes: Sequence[Point]) -> bytes:
    return b"".join(map(pvt, fixes))


def sirf(payload: bytes) -> bytes:
    return (
        b"\xa0\xa2" + struct.pack(">H", len(payload)) + payload + struct.pack(">H", sum(payload) & 0x7FFF) + b"\xb0\xb3"
    )


def text(name: str = "ABC115", serial: str = "932000000") -> bytes:
    return b"\xfd" + f"{name},{serial},1,V1.4(B0803T)".encode()


def message_41(point: Point, length: int = 97, valid: int = 0) -> bytes:
    date = point.date
    payload = bytearray(length)
    payload[0] = 41
    struct.pack_into(">HHHI", payload, 1, valid, 4, 2194, point.time % 604_800_000)
    ms = date.second * 1000 + point.time % 1000
    struct.pack_into(">HBBBBH", payload, 11, date.year, date.month, date.day, date.hour, date.minute, ms)
    struct.pack_into(">iiii", payload, 23, point.latitude, point.longitude, 6000, 1200)
    struct.pack_into(">HHh", payload, 40, point.speed // 10, point.course // 1000, 0)
    struct.pack_into(">II", payload, 50, 120, 190)
    payload[88:90] = bytes([point.satellites, point.hdop // 20])
    if length >= 97:
        payload[95] = min(point.speed_error // 10, 255)
    return sirf(bytes(payload))


def sbn(fixes: Sequence[Point]) -> bytes:
    return sirf(text()) + b"".join(map(message_41, fixes))


def locosys_block(told: bytes | None = None) -> bytes:
    """The block of 64 bytes before SBP records."""
    told = text() if told is None else told
    block = struct.pack("<H", len(told) + 8) + b"\xa0\xa2" + struct.pack(">H", len(told)) + told
    return (block + struct.pack(">H", sum(told) & 0x7FFF) + b"\xb0\xb3").ljust(64, b"\xff")


ESP_BLOCK = (b"\x1e\x00\xa0\xa2\x1e\x00\xfdESP-GPS,0,unknown,unknown").ljust(64, b"\xff")


def sbp_record(point: Point, second: int | None = None) -> bytes:
    date = point.date
    second = date.second if second is None else second
    months = (date.year - 2000) * 12 + date.month
    packed = months << 22 | date.day << 17 | date.hour << 12 | date.minute << 6 | second
    ms = date.second * 1000 + point.time % 1000
    return struct.pack(
        "<BBHIIiiiHHhBB", point.hdop // 20, point.satellites, ms, packed, 0xFF, point.latitude, point.longitude, 1200,
        point.speed // 10, point.course // 1000, 0, min(point.speed_error // 10, 255), 20,
    )  # fmt: skip


def sbp(fixes: Sequence[Point], block: bytes | None = None) -> bytes:
    return (locosys_block() if block is None else block) + b"".join(map(sbp_record, fixes))


def gpy_header(name: bytes = b"Head", serial: bytes = b"0A0B0C0D0E0F") -> bytes:
    body = struct.pack("<BBHH16s16s16s16s", 0xF0, 0, 72, 2, b"ESP-GPS", name, serial, b"Ver 6.01c")
    return body + fletcher(body)


def gpy_full(point: Point) -> bytes:
    body = struct.pack("<BBHqIIiiiBB", 0xE0, 0, point.hdop, point.time, point.speed, point.speed_error, point.latitude,
                       point.longitude, point.course, point.satellites, 3)  # fmt: skip
    return body + fletcher(body)


def gpy_compressed(point: Point, full: Point) -> bytes:
    differences = (getattr(point, name) - getattr(full, name) for name in ("time", "speed", "speed_error", "latitude"))
    body = struct.pack("<BBHhhhhhhBB", 0xD0, 0, point.hdop, *differences, point.longitude - full.longitude,
                       point.course // 1000 - full.course // 1000, point.satellites, 3)  # fmt: skip
    return body + fletcher(body)


def gpy(fixes: Sequence[Point], every: int = 10) -> bytes:
    parts = [gpy_header()]
    for at, point in enumerate(fixes):
        full = fixes[at - at % every]
        parts.append(gpy_full(point) if point is full else gpy_compressed(point, full))
    return b"".join(parts)


def fit_definition(local: int, number: int, fields: Sequence[tuple[int, int, int]], endian: str = "<") -> bytes:
    """A definition; the fields are number, size in bytes, and base type."""
    head = struct.pack(f"{endian}BBBHB", 0x40 | local, 0, 0 if endian == "<" else 1, number, len(fields))
    return head + b"".join(map(bytes, fields))


def fit_around(body: bytes) -> bytes:
    """A whole file with the messages."""
    head = struct.pack("<BBHI4s", 14, 0x20, 2132, len(body), b".FIT")
    data = head + struct.pack("<H", crc16(head)) + body
    return data + struct.pack("<H", crc16(data))


FIT_FIELDS = ((253, 4, 0x86), (0, 4, 0x85), (1, 4, 0x85), (6, 2, 0x84), (3, 1, 0x02))
FIT_EPOCH = 631_065_600
HEART_RATE = 173


def fit(fixes: Sequence[Point]) -> bytes:
    """An activity of a COROS watch, with its serial number and heart rates."""
    body = fit_definition(0, 0, ((1, 2, 0x84), (3, 4, 0x8C), (0, 1, 0x00)))
    body += struct.pack("<BHIB", 0, 294, 987_654_321, 4)
    body += fit_definition(1, 20, FIT_FIELDS)
    for point in fixes:
        degrees = (round(value / 1e7 * (1 << 31) / 180) for value in (point.latitude, point.longitude))
        body += struct.pack("<BIiiHB", 1, point.time // 1000 - FIT_EPOCH, *degrees, point.speed, HEART_RATE)
    return fit_around(body)


def gpx_point(point: Point, elements: str | None = None) -> str:
    told = f"<course>{point.course / 1e5}</course><speed>{point.speed / 1000}</speed>" if elements is None else elements
    time = f"{point.date:%Y-%m-%dT%H:%M:%S}.{point.time % 1000:03}Z"
    where = f'lat="{point.latitude / 1e7:.7f}" lon="{point.longitude / 1e7:.7f}"'
    return f"<trkpt {where}><time>{time}</time>{told}</trkpt>\n"


def gpx(fixes: Sequence[Point], elements: str | None = None, version: str = "1.0") -> bytes:
    inside = "".join(gpx_point(point, elements) for point in fixes)
    head = f'<?xml version="1.0"?>\n<gpx version="{version}" creator="Toy" xmlns="http://www.topografix.com/GPX/1/0">'
    return f"{head}<trk><trkseg>\n{inside}</trkseg></trk></gpx>\n".encode()
