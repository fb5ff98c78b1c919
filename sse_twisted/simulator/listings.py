"""Entries of the listing `logs.json`, correct or with faults."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from sse_twisted.simulator.faults import Fault

Entry = dict[str, Any]

KEPT_ON_DEVICE: Final = 1024
"""Bytes by which the listed size exceeds the bytes sent (72 of 72 real downloads)."""

BESTS: Final = ("2s_best", "10s_best", "500m_best", "1852m_best", "a500m_best", "1h_best")
_FIRST_BESTS: Final = MappingProxyType(
    {"2s_best": 384, "10s_best": 140, "500m_best": 220, "1852m_best": 300, "a500m_best": 260, "1h_best": 180}
)
TEXTS: Final = ("spot", "wind", "board", "sail", "fin")

EVIL_PATHS: Final = (
    "/../../etc/passwd",
    "../../etc/passwd",
    "/logs/2025/10/../../../../etc/passwd.oao",
    "/logs/2025/10/%2e%2e%2f%2e%2e%2fetc%2fpasswd.oao",
    "//elsewhere.invalid/x.oao",
    "http://elsewhere.invalid/x.oao",
    "/logs/2025/10/line\nbreak.oao",
    "/logs/2025/10/a.oao HTTP/1.1\r\nHost: elsewhere.invalid\r\n\r\n",
    "/logs/2025/10/with spaces .oao",
    "/logs/2025/10/without-extension",
    "/logs/2025/10/.oao",
    "/logs/2025/10/<script>alert(1)</script>.oao",
    "/logs/2025/10/nul\x00byte.oao",
    "/logs/2025/10/" + "long" * 250 + ".oao",
    "/",
    "",
)

_BAD_ENTRIES: Final[tuple[object, ...]] = (
    None,
    5,
    "/logs/a.oao",
    [],
    {},
    {"file": 5, "size": "big", "start_date": None, "end_date": [], "500m_best": {}},
    {"file": "/logs/2025/10/no-more-than-a-name.oao"},
)

_HOUR: Final = 3_600_000
_YEAR_2080: Final = 3_471_292_800_000


def make_entry(path: str, length: int, **figures: Any) -> Entry:
    """Return the entry of a log of which `length` bytes are sent; figures that are not given are 0."""
    entry: Entry = {"file": path, "size": length + KEPT_ON_DEVICE, "timezone": 60, "mode": 0}
    entry |= dict.fromkeys(("start_date", "end_date", "duration", "distance", *BESTS), 0)
    return entry | dict.fromkeys(TEXTS, "") | figures


def listing_entry(content: bytes, path: str) -> Entry:
    """Return the entry of a track by its header; both agree in every field of 72 of 72 real files."""
    figures = {name: _unpack("<I", content, at + 4) for name, at in _FIRST_BESTS.items()}
    start, end = _unpack("<Q", content, 16), _unpack("<Q", content, 36)
    return make_entry(
        path,
        len(content),
        timezone=_unpack("<h", content, 426),
        start_date=start,
        end_date=end,
        duration=max(0, end - start),
        distance=_unpack("<I", content, 56),
        **figures,
    )


def never_finalised(entry: Entry) -> Entry:
    """Return the entry of a log whose battery died: no end, no bests, a size of whole blocks (one such was seen)."""
    size = max(entry["size"] - entry["size"] % 512, 512 + KEPT_ON_DEVICE)
    figures = dict.fromkeys(("end_date", "duration", "distance", *BESTS), 0)
    return entry | {"size": size} | figures


def emptied(entry: Entry) -> Entry:
    """Return the entry of a log without frames, as of 1,405 of 7,536 listed logs."""
    figures = dict.fromkeys(("duration", "distance", *BESTS), 0)
    return entry | {"size": 512 + KEPT_ON_DEVICE, "end_date": entry["start_date"]} | figures


def spoil_listing(entries: list[Any], fault: Fault, of: str = "") -> list[Any] | None:
    """Return the entries with the fault in those whose file contains `of`; None if it changes nothing."""
    change = _FAULTS.get(fault.name)
    if change is None or not entries:
        return None
    if not of:
        return change(entries, fault)
    changed: list[Any] = []
    for entry in entries:
        chosen = isinstance(entry, dict) and of in str(entry.get("file"))
        changed += change([entry], fault) if chosen else [entry]
    return None if changed == entries else changed


def _unpack(form: str, content: bytes, at: int) -> int:
    return int(struct.unpack_from(form, content, at)[0])


def _each(**figures: int) -> Callable[[list[Any], Fault], list[Any]]:
    return lambda entries, fault: [entry | figures if isinstance(entry, dict) else entry for entry in entries]


def _dated(start: int) -> Callable[[list[Any], Fault], list[Any]]:
    return _each(start_date=start, end_date=start + _HOUR, duration=_HOUR)


def _many(entries: list[Any], fault: Fault) -> list[Any]:
    first = entries[0]
    wanted = fault.at_or(10_000) - len(entries)
    older = [
        first
        | {"file": f"/logs/2001/01/{number:05}.oao"}
        | {"start_date": first["start_date"] - number * _HOUR, "end_date": first["end_date"] - number * _HOUR}
        for number in range(wanted, 0, -1)
    ]
    return older + entries


_FAULTS: Final[Mapping[str, Callable[[list[Any], Fault], list[Any]]]] = MappingProxyType(
    {
        "negative-size": _each(size=-1),
        "10TB": _each(size=10 * 10**12),
        "1970": _dated(0),
        "2080": _dated(_YEAR_2080),
        "same-entry-twice": lambda entries, fault: [entry for entry in entries for _ in range(2)],
        "10000-entries": _many,
        "evil-paths": lambda entries, fault: entries + [entries[-1] | {"file": path} for path in EVIL_PATHS],
        "bad-entry": lambda entries, fault: [*_BAD_ENTRIES, *entries, *_BAD_ENTRIES],
    }
)
