"""Faults of a simulated device, by name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, TypeVar

from attrs import frozen

T = TypeVar("T")

FAULTS: Final[dict[str, str]] = {
    # The port
    "refused": "the port is closed",
    "reset": "a connection is accepted, then reset before anything is sent",
    "never-accepted": "the backlog is full: a connection is neither accepted nor refused",
    # The headers of a response
    "no-headers": "the request is read, no response is sent",
    "slow-headers": "the first byte of a response comes after SECONDS (20)",
    # The body
    "cut": "closes after byte BYTE of the body, with the full Content-Length promised",
    "abort": "resets the connection after byte BYTE of the body",
    "stall": "sends nothing more after byte BYTE of the body and keeps the connection",
    "drip": "a byte of the body every SECONDS (1)",
    # Content-Length
    "length-long": "Content-Length promises BYTE (1000) more than is sent",
    "length-short": "Content-Length promises BYTE (1) less than is sent",
    "length-missing": "no Content-Length: the end of the body is the end of the connection",
    "length-twice": "two Content-Length headers that differ",
    # The status
    "404": "every page is missing",
    "500": "an error page",
    "503": "busy, with Retry-After: SECONDS (5)",
    "redirect": "302 to another host",
    # A request for a part, of a device that can resume
    "range-star": "Content-Range ends with /*, the length is not given (valid)",
    "range-short": "at most BYTE (5,000) bytes are sent at once (valid)",
    "range-bare": "a part without Content-Range",
    "range-equals": "Content-Range with = behind bytes, as in a request",
    "range-total": "Content-Range tells BYTE (1,000) bytes too many in all",
    "range-shifted": "the part begins one byte late",
    "range-multipart": "the part is wrapped as multipart/byteranges",
    "range-status": "refused with status BYTE (400)",
    "range-reset": "the connection is reset",
    "range-silent": "no response is sent",
    # JSON
    "html": "the page of a captive portal in place of JSON, with status 200",
    "half-json": "the first half of the JSON, with an honest Content-Length",
    "huge-json": "valid JSON of BYTE bytes (200 MB)",
    "deep-json": "BYTE (100,000) nested lists",
    "wrong-types": "text for numbers and numbers for text",
    "1e400": "1e400 for every number",
    "duplicate-keys": "every key twice, the second time with another number",
    "nan": "NaN for every number",
    # The listing
    "negative-size": "the size of every log is -1",
    "10TB": "the size of every log is 10 TB",
    "1970": "every log is of 1 January 1970",
    "2080": "every log is of 1 January 2080",
    "same-entry-twice": "every log is listed twice",
    "10000-entries": "BYTE (10,000) entries, the real logs last",
    "evil-paths": "more logs, with paths that lead out of the folder, to another host, or nowhere",
    "bad-entry": "invalid entries before and after the real ones",
    # The track
    "flipped-bit": "one bit is wrong, in the first transfer only (at BYTE, or in the middle)",
    "flipped-bit-always": "one bit is wrong in every transfer (at BYTE, or in the middle)",
    "frame-cut": "served short at a frame's edge (before BYTE, or in the middle), honest Content-Length",
    "trailer": "']}' follows the last frame, as firmware 3109 did once",
    "not-finalised": "the newest log was never finalised: no end, no bests, cut at a block of 512 bytes",
    "empty-log": "a log without a frame: 512 bytes, listed as 1536",
    "empty-body": "status 200 and an empty body",
    "foreign": "the track of another device",
    "unknown-frame": "a frame of an unknown kind in the middle",
    "grown": "BYTE (150) frames are added between listing and transfer",
    # The device
    "wrong-identifier": "another device responds at this address",
    "reboot": "drops every connection at byte BYTE of a body, once, and is absent for SECONDS (10)",
    "low-battery": "BYTE (12) percent of battery are left",
    "wrong-firmware": "a firmware that is not approved",
    "full-storage": "the storage is BYTE (97) percent full",
    "wrong-settings": "GNSS rate, one log per day, time zone and LED flash are all wrong",
    "old-firmware-shape": "hardware and firmware as before firmware 3144: a text and a number",
}

_DEFAULT_SECONDS: Final = MappingProxyType({"slow-headers": 20.0, "drip": 1.0, "503": 5.0, "reboot": 10.0})
_NEEDS_BYTE: Final = frozenset({"cut", "abort", "stall", "reboot"})
_ONCE: Final = frozenset({"flipped-bit", "grown", "reboot"})
_SPELLING: Final = re.compile(r"([^@:=]+)(?:@(\d+))?(?::(\d+(?:\.\d*)?|\.\d+))?(?:=([^@:=]+))?")


@frozen
class Fault:
    """One fault. `FAULTS` says what `at` and `seconds` mean; 0 stands for the default given there.

    For "cut", "abort", "stall" and "reboot" 0 means byte 0: the headers arrive, and no byte of the body.
    Raises ValueError for a name that is not in `FAULTS`.
    """

    name: str
    at: int = 0
    seconds: float = 0.0

    def __attrs_post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ValueError(_unknown(self.name))

    def at_or(self, default: int) -> int:
        """Return the byte (or number) of the fault, or the default if none was given."""
        return self.at or default

    @property
    def pause(self) -> float:
        """Seconds of the fault, or the default of its name."""
        return self.seconds or _DEFAULT_SECONDS.get(self.name, 0.0)

    def apply(self, value: T, changes: Mapping[str, Callable[[T, Fault], T]]) -> T | None:
        """Return the value after the change of this fault's name; None if there is none, or it changes nothing."""
        change = changes.get(self.name)
        changed = value if change is None else change(value, self)
        return None if changed == value else changed

    @property
    def default_times(self) -> int | None:
        """Number of occurrences unless one is given: 1, or None for always."""
        return 1 if self.name in _ONCE else None


def parse_fault(text: str) -> tuple[Fault, float]:
    """Parse `NAME[@BYTE][:SECONDS][=PROBABILITY]`; return the fault and its probability (default 1.0).

    Raises ValueError with a message of one line.
    """
    spelled = _SPELLING.fullmatch(text.strip())
    if spelled is None:
        raise ValueError(f"invalid fault {text!r}: expected NAME[@BYTE][:SECONDS][=PROBABILITY], e.g. cut@4096=0.1")
    name, at, seconds, probability = spelled.groups()
    if name not in FAULTS:
        raise ValueError(_unknown(name))
    if at is None and name in _NEEDS_BYTE:
        raise ValueError(f"fault {name!r} needs a byte, e.g. {name}@4096")
    return Fault(name, int(at or 0), float(seconds or 0.0)), _parse_probability(text, probability)


def _parse_probability(text: str, given: str | None) -> float:
    if given is None:
        return 1.0
    try:
        probability = float(given)
    except ValueError:
        probability = math.nan
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"invalid fault {text!r}: the probability {given!r} is not a number from 0 to 1")
    return probability


def _unknown(name: str) -> str:
    near = get_close_matches(name, FAULTS, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown fault {name!r}{hint}; known: {', '.join(FAULTS)}"
